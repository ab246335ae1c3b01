//! `signmessage`, and the alphabet of its signatures.

use ldk_server_grpc::api::SignMessageRequest;
use serde::Serialize;

use super::Method;
use crate::api::rpc;
use crate::cln::Call;
use crate::cln::args::Args;
use crate::cln::error::RpcError;

/// The letters of zbase32 in the order of what they stand for.
const ALPHABET: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";
/// What the first byte of a signature has beside the number of the key.
const RECOVERY_BASE: u8 = 31;

/// `signmessage`: signs a text with the key of the node.
pub(super) struct SignMessage {
    message: String,
}

#[derive(Serialize)]
pub(super) struct Signed {
    signature: String,
    recid: String,
    zbase: String,
}

/// The number of the key and the signature in a text.
fn parts(zbase: &str) -> Option<(u8, Vec<u8>)> {
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for letter in zbase.bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter)?;
        bits = (bits << 5) | u32::try_from(value).ok()?;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    let (first, signature) = bytes.split_first()?;
    Some((first.checked_sub(RECOVERY_BASE)?, signature.to_vec()))
}

impl Method for SignMessage {
    const NAME: &'static str = "signmessage";
    const USAGE: &'static str = "message";
    type Answer = Signed;

    fn read(args: &Args) -> Result<Self, RpcError> {
        Ok(Self { message: args.required("message")? })
    }

    async fn run(self, call: Call) -> Result<Signed, RpcError> {
        let request = SignMessageRequest { message: self.message.into_bytes() };
        let zbase = call.ask(rpc::SignMessage, request).await?.signature;
        let unreadable = || RpcError::internal(&"a signature cannot be read");
        let (recid, signature) = parts(&zbase).ok_or_else(unreadable)?;
        Ok(Signed { signature: hex::encode(signature), recid: format!("{recid:02x}"), zbase })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the transcripts of lightningd 26.06.6.
    #[test]
    fn a_signature_is_taken_apart() {
        let zbase = "d6oqzp1o3fsuw5axiro34j1kzuys4atafnt3a4kuy86bzz3r8gs6cuztpa89monno7zyj5aioyku3y9ph7\
                     jkaizdzb8jxemeugzanypi";
        let (recid, signature) = parts(zbase).unwrap();
        assert_eq!(recid, 0);
        let signature = hex::encode(signature);
        assert!(signature.starts_with("a0ebb650c96d3a6f0fa9219d264abcc16d623828a39c6953"));
        assert!(signature.ends_with("ef1580153c83ede752ac56e3b84e97a16899af8101b5"));
        assert_eq!(parts("not zbase"), None);
        assert_eq!(parts(""), None);
    }
}
