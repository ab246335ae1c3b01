//! Signatures with the keys of nodes.

use anyhow::{Context as _, Result};
use e2e_tests::Node;
use ldk_server_client::api::{SignMessageRequest, VerifySignatureRequest};
use serde_json::json;

use crate::lookups::{BAD_KEYS, STRANGER, invalid};

/// The key whose secret is the number 1, and its signature of a text: the same from any node that
/// signs as LND does.
const KEY_OF_ONE: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
const TEXT: &str = "test message";
const SIGNATURE_OF_ONE: &str = "d9tibmnic9t5y41hg7hkakdcra94akas9ku3rmmj4ag9mritc8ok4p5qzefs78c9pqfhpuftqqzhydbdwfg7u6w6wdxcqpqn4sj4e73e";

/// Below what a request may have, frame and fields included.
const LARGE_MESSAGE_BYTES: usize = 9 * 1024 * 1024;

pub(super) async fn signatures_are_told_apart(signer: &Node, checker: &Node) -> Result<()> {
    for message in [&b""[..], TEXT.as_bytes(), b"\x00\xff\xfe", &vec![7; LARGE_MESSAGE_BYTES]] {
        let signature = sign(signer, message).await?;
        assert!(is_valid(checker, message, &signature, signer.id()).await?);
        let longer = [message, b"!"].concat();
        assert!(!is_valid(checker, &longer, &signature, signer.id()).await?, "another message");
        assert!(!is_valid(checker, message, &signature, checker.id()).await?, "another key");
        assert!(!is_valid(checker, message, &signature, STRANGER).await?, "another key");
    }
    let signature = sign(signer, TEXT.as_bytes()).await?;
    for bad in ["", "y", "not zbase32 l0v2", &signature[1..], &altered(&signature)] {
        assert!(!is_valid(checker, TEXT.as_bytes(), bad, signer.id()).await?, "{bad}");
    }
    assert!(is_valid(checker, TEXT.as_bytes(), SIGNATURE_OF_ONE, KEY_OF_ONE).await?);
    by_command(signer, checker, &signature).await
}

async fn by_command(signer: &Node, checker: &Node, signature: &str) -> Result<()> {
    let signed = signer.cli(&["sign-message", TEXT]).await?;
    assert_eq!(signed, json!({"signature": signature}), "the same message, the same signature");
    for (key, valid) in [(signer.id(), true), (checker.id(), false)] {
        let answer = checker.cli(&["verify-signature", TEXT, signature, key]).await?;
        assert_eq!(answer, json!({"valid": valid}));
    }
    Ok(())
}

pub(super) async fn public_keys_must_be_keys(node: &Node) -> Result<()> {
    for key in BAD_KEYS {
        let request = VerifySignatureRequest {
            message: TEXT.into(),
            signature: SIGNATURE_OF_ONE.to_owned(),
            public_key: key.to_owned(),
        };
        invalid(node.client().verify_signature(request).await, "public_key");
    }
    Ok(())
}

async fn sign(node: &Node, message: &[u8]) -> Result<String> {
    let request = SignMessageRequest { message: message.to_vec() };
    Ok(node.client().sign_message(request).await?.signature)
}

async fn is_valid(node: &Node, message: &[u8], signature: &str, key: &str) -> Result<bool> {
    let request = VerifySignatureRequest {
        message: message.to_vec(),
        signature: signature.to_owned(),
        public_key: key.to_owned(),
    };
    let answer = node.client().verify_signature(request).await;
    Ok(answer.context("a wrong signature is no error")?.valid)
}

/// With another character in the middle, which is still one of zbase32.
fn altered(signature: &str) -> String {
    let (start, end) = signature.split_at(signature.len() / 2);
    let other = if end.starts_with('y') { 'b' } else { 'y' };
    format!("{start}{other}{}", &end[1..])
}
