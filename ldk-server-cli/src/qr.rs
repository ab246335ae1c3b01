//! QR codes on a terminal.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use crate::failure::Failure;

/// The code of a text, dark on light, whatever the colours of the terminal are.
pub(crate) fn code(text: &str) -> Result<String, Failure> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L)
        .map_err(|error| Failure::Local(format!("cannot make a QR code: {error}")))?;
    let lines = code.render::<Dense1x2>().build();
    let lines = lines.lines().map(|line| format!("\x1b[30;107m{line}\x1b[0m\n"));
    Ok(lines.collect())
}

/// Prints the code of an invoice or an offer on standard error: standard output is for the answer.
pub(crate) fn print_invoice(invoice: &str) -> Result<(), Failure> {
    // Capitals make a smaller code, and mean the same.
    eprint!("{}", code(&invoice.to_ascii_uppercase())?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_has_a_quiet_border_and_its_own_colours() {
        let code = code("https://127.0.0.1:3536/#rune=abc=").unwrap();
        assert!(
            code.lines().all(|line| line.starts_with("\x1b[30;107m ") && line.ends_with("\x1b[0m"))
        );
        assert!(code.lines().count() > 12, "{code}");
    }

    #[test]
    fn capitals_make_a_smaller_code() {
        let invoice = "lnbcrt1".repeat(40);
        let lines = |text: &str| code(text).unwrap().lines().count();
        assert!(lines(&invoice.to_ascii_uppercase()) < lines(&invoice));
    }
}
