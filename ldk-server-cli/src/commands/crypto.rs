//! Signatures with the node's key.

use clap::Args;
use ldk_server_grpc::api::{SignMessageRequest, VerifySignatureRequest};

unary_commands!(Commands {
    SignMessage => sign_message,
    VerifySignature => verify_signature,
});

/// Sign a message with the node's key
#[derive(Debug, Args)]
pub(crate) struct SignMessage {
    /// Message to sign, as UTF-8
    #[arg(allow_hyphen_values = true)]
    message: String,
}

impl From<SignMessage> for SignMessageRequest {
    fn from(command: SignMessage) -> Self {
        Self { message: command.message.into_bytes() }
    }
}

/// Verify that a message was signed with the key of a node
///
/// Prints whether the signature is valid; the exit status is 0 in both cases.
#[derive(Debug, Args)]
pub(crate) struct VerifySignature {
    /// Message that was signed, as UTF-8
    #[arg(allow_hyphen_values = true)]
    message: String,

    /// Signature in zbase32
    signature: String,

    /// Public key of the node, as hex
    public_key: String,
}

impl From<VerifySignature> for VerifySignatureRequest {
    fn from(command: VerifySignature) -> Self {
        Self {
            message: command.message.into_bytes(),
            signature: command.signature,
            public_key: command.public_key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::request;

    #[test]
    fn a_text_may_begin_with_a_dash() {
        for text in ["-----BEGIN", "-5%", "-m", "--message"] {
            let signed = request::<SignMessage, SignMessageRequest>(text).unwrap();
            assert_eq!(signed.message, text.as_bytes());
            let line = format!("{text} rhk 02aa");
            let verified = request::<VerifySignature, VerifySignatureRequest>(&line).unwrap();
            assert_eq!((verified.message, verified.signature.as_str()), (text.into(), "rhk"));
        }
    }

    #[test]
    fn the_bytes_of_the_text_are_signed_and_checked() {
        let message = || "h\u{e9}".as_bytes().to_vec();
        assert_eq!(request::<SignMessage, _>("hé"), Ok(SignMessageRequest { message: message() }));
        assert_eq!(
            request::<VerifySignature, _>("hé rhk 02aa"),
            Ok(VerifySignatureRequest {
                message: message(),
                signature: "rhk".to_owned(),
                public_key: "02aa".to_owned(),
            })
        );
    }
}
