//! What a request proves who is calling with.

use serde_json::{Value, json};

use crate::access::Access;

/// The names of the schemes. A request carries one of them.
const SCHEMES: [&str; 4] = ["rune", "bearer", "xAuth", "clientCertificate"];

/// The schemes.
pub(super) fn schemes() -> Value {
    json!({
        "rune": {
            "type": "apiKey", "in": "header", "name": "rune",
            "description": "A rune, as CreateRune makes it.",
        },
        "bearer": {
            "type": "http", "scheme": "bearer", "bearerFormat": "rune",
            "description": "A rune, for programs that know no header but `Authorization`.",
        },
        "xAuth": {
            "type": "apiKey", "in": "header", "name": "x-auth",
            "description": "A signature with an API key, made for each request: `HMAC2 <unix \
                            time>:<nonce>:<HMAC-SHA256>` over the path and the body as it is sent.",
        },
        "clientCertificate": {
            "type": "mutualTLS",
            "description": "A certificate that IssueClientCert made, if the server asks for one.",
        },
    })
}

/// Any of the schemes, with the permission that is needed as the role.
pub(super) fn needed(access: Access) -> Value {
    SCHEMES.map(|scheme| json!({ scheme: [access.name()] })).to_vec().into()
}

/// What a group of calls is for.
pub(super) fn description(access: Access) -> &'static str {
    match access {
        Access::Info => "Information about the node, and decoding.",
        Access::Read => "Payments, channels, peers and the network graph, to read.",
        Access::Invoice => "Receiving payments.",
        Access::Pay => "Paying over Lightning.",
        Access::Onchain => "The on-chain wallet.",
        Access::Channels => "Opening, changing and closing channels.",
        Access::Peers => "Connections to peers.",
        Access::Events => "Events, and the consumers whose place the server remembers.",
        Access::Sign => "Signatures with the node's key.",
        Access::Admin => "Administration of the server: permissions, audit and backups.",
    }
}
