//! Signatures with the node's key.

use ldk_node::bitcoin::secp256k1::PublicKey;

use crate::app::App;

/// Signs a message with the node's key. The signature is in zbase32.
pub fn sign_message(app: &App, message: &[u8]) -> String {
    app.node.sign_message(message)
}

/// Whether `signature` is one of this message, made with the key of this node.
pub fn verify_signature(app: &App, message: &[u8], signature: &str, node_id: &PublicKey) -> bool {
    app.node.verify_signature(message, signature, node_id)
}
