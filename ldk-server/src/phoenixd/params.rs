//! The parameters of a request: a form, or the query of the URL.

use super::answer::Refusal;

const MSAT_PER_SAT: u64 = 1_000;

/// Parameters by name. Of several of one name the first counts.
#[derive(Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a form, which has no form that is wrong.
    pub(super) fn read(form: &[u8]) -> Self {
        Self(form_urlencoded::parse(form).into_owned().collect())
    }

    /// A parameter, which may be empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The same, which must be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name).ok_or_else(|| Refusal::missing(name))
    }

    /// A number of at least 0.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let number = |text: &str| text.parse().map_err(|_| Refusal::invalid(name, "integer"));
        self.text(name).map(number).transpose()
    }

    /// The same, which must be there.
    pub(super) fn required_number(&self, name: &str) -> Result<u64, Refusal> {
        self.number(name)?.ok_or_else(|| Refusal::missing(name))
    }

    /// Whether it is `true`.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// The amount `amountSat`, in millisatoshis.
    pub(super) fn amount_msat(&self) -> Result<Option<u64>, Refusal> {
        const NAME: &str = "amountSat";
        if self.text("sendAll").is_some() {
            let reason =
                "sendAll: the node library does not tell how much can be sent; give amountSat";
            return Err(Refusal::BadRequest(reason.to_owned()));
        }
        let msat = |sats: u64| {
            sats.checked_mul(MSAT_PER_SAT).ok_or_else(|| Refusal::invalid(NAME, "integer"))
        };
        self.number(NAME)?.map(msat).transpose()
    }
}

/// The hash or preimage that a text is: 32 bytes as hex, in lower case.
pub(super) fn hex32(name: &str, text: &str) -> Result<String, Refusal> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| Refusal::invalid(name, "hex32"))?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_by_name() {
        let params = Params::read(b"amountSat=21&description=a+b%26c&all=TRUE&amountSat=22&empty=");
        assert_eq!(params.text("description"), Some("a b&c"));
        assert_eq!(params.amount_msat().unwrap(), Some(21_000));
        assert!(params.is_true("all") && !params.is_true("none"));
        assert_eq!((params.text("empty"), params.text("none")), (Some(""), None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refusal = |form: &[u8]| Params::read(form).amount_msat().unwrap_err().text();
        let reason = "Request parameter amountSat couldn't be parsed/converted to integer";
        for wrong in ["x", "", "-1", "1.5", "18446744073709552", "99999999999999999999"] {
            assert_eq!(refusal(format!("amountSat={wrong}").as_bytes()), reason, "{wrong}");
        }
        assert!(refusal(b"sendAll=true").starts_with("sendAll: "));
        let missing = Params::default().required("invoice").unwrap_err();
        assert_eq!(missing.text(), "Request parameter invoice is missing");
    }

    #[test]
    fn bytes_that_are_no_text_are_no_harm() {
        assert_eq!(Params::read(b"%ff=%fe&&=&%").text("%"), Some(""));
        assert_eq!(Params::read(&[0xff, b'=', 0]).0.len(), 1);
    }

    #[test]
    fn a_hash_is_of_32_bytes() {
        let upper = "AB".repeat(32);
        assert_eq!(hex32("paymentHash", &upper).unwrap(), "ab".repeat(32));
        for wrong in ["", "ab", &"ab".repeat(33), &"zz".repeat(32)] {
            assert!(hex32("paymentHash", wrong).is_err(), "{wrong}");
        }
    }
}
