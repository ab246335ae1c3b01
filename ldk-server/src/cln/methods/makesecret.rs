//! `makesecret`.

use serde::Serialize;
use serde_json::Value;

use super::Method;
use crate::cln::Call;
use crate::cln::args::{Args, Param};
use crate::cln::error::RpcError;

/// `makesecret`: a secret of this node for what the caller names.
pub(super) struct MakeSecret {
    name: Vec<u8>,
}

#[derive(Serialize)]
pub(super) struct Made {
    secret: String,
}

struct Hex(Vec<u8>);

impl Param for Hex {
    const EXPECTED: &'static str = "hex data";

    fn read(value: &Value) -> Option<Self> {
        hex::decode(value.as_str()?).ok().map(Self)
    }
}

impl Method for MakeSecret {
    const NAME: &'static str = "makesecret";
    const USAGE: &'static str = "[hex] [string]";
    type Answer = Made;

    fn read(args: &Args) -> Result<Self, RpcError> {
        let bytes = args.optional::<Hex>("hex")?.map(|hex| hex.0);
        let text = args.optional::<String>("string")?.map(String::into_bytes);
        match (bytes, text) {
            (Some(name), None) | (None, Some(name)) => Ok(Self { name }),
            _ => Err(RpcError::params("Must have either hex or string, and not both")),
        }
    }

    async fn run(self, call: Call) -> Result<Made, RpcError> {
        call.caller.must_be_unrestricted()?;
        let app = call.cln.0.dispatcher.app()?;
        Ok(Made { secret: hex::encode(*app.derived_secrets.secret(&self.name)) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_has_one_name() {
        let read = |params| MakeSecret::read(&Args::of(MakeSecret::USAGE, Some(params)).unwrap());
        assert_eq!(read(json!(["61"])).unwrap().name, b"a");
        assert_eq!(read(json!({"string": "a"})).unwrap().name, b"a");
        for params in [json!([]), json!(["61", "a"]), json!(["6"])] {
            assert_eq!(read(params).err().unwrap().code, -32602);
        }
    }
}
