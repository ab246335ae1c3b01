//! Detects that the library has signed the first commitment transaction of a splice. The signature
//! binds the peer: at the next connection both sides must know of the splice, or the peer closes
//! the channel. The library stores it in the channel manager only, which it does not write for it,
//! and reports it nowhere but in its log, before it sends the signature.

use std::sync::LazyLock;

use tokio::sync::watch;

const MODULE: &str = "lightning::ln::channel";
const TEXT: &str = "Generated commitment_signed for peer for channel ";

/// How many splices were signed in this process.
static SIGNED: LazyLock<watch::Sender<u64>> = LazyLock::new(|| watch::Sender::new(0));

/// The number of splices that were signed since the start of the process.
pub(crate) fn signed() -> watch::Receiver<u64> {
    SIGNED.subscribe()
}

/// Must be called with every log record of the library, whatever the log level.
pub(crate) fn observe(record: &log::Record<'_>) {
    if is_signature(record) {
        SIGNED.send_modify(|signed| *signed += 1);
    }
}

fn is_signature(record: &log::Record<'_>) -> bool {
    record.level() == log::Level::Info
        && record.target() == MODULE
        && record.args().to_string().starts_with(TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_from_all_else_that_a_channel_says() {
        let said = |level, target: &str, text: &str| {
            is_signature(
                &log::Record::builder()
                    .level(level)
                    .target(target)
                    .args(format_args!("{text}"))
                    .build(),
            )
        };
        let signed = "Generated commitment_signed for peer for channel \
                      12920c32b1d17d9d53e0fde84e7fd8be05d93430492ba742f4c4ae2f4a0dc824";
        assert!(said(log::Level::Info, MODULE, signed));
        assert!(!said(log::Level::Info, "lightning::ln::channelmanager", signed));
        assert!(!said(log::Level::Info, MODULE, "Received splice initial commitment_signed"));
    }
}
