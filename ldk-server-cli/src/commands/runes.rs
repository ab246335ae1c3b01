//! Reading and restricting runes, without a server.

use std::io;

use clap::Args;
use ldk_server_grpc::rune::{Restriction, Rune, RuneError, UniqueId, describe};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{self, Format};

/// What stands for standard input in place of a rune.
const STANDARD_INPUT: &str = "-";

/// Say what a rune allows; needs neither server nor key
///
/// Who made the rune, and whether it was revoked, only its server knows.
#[derive(Debug, Args)]
pub(crate) struct DecodeRune {
    /// Rune, or - to read it from standard input
    #[arg(allow_hyphen_values = true)]
    rune: String,
}

/// Restrict a rune further; needs neither server nor key
///
/// Prints the new rune. The old one stays as it is.
#[derive(Debug, Args)]
pub(crate) struct RestrictRune {
    /// Rune, or - to read it from standard input
    #[arg(allow_hyphen_values = true)]
    rune: String,

    /// Restriction to add, such as 'method=GetNodeInfo|group=read', 'time<1800000000' or
    /// 'budget=1000sat/day'. All must hold, and of each one of the alternatives that | separates
    #[arg(required = true, value_name = "RESTRICTION")]
    restrictions: Vec<String>,
}

/// What is printed of a rune. Nobody can use it as one.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct DecodedRune {
    id: Option<String>,
    version: Option<String>,
    restrictions: Vec<String>,
    /// A sentence for each restriction.
    allows: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct RestrictedRune {
    rune: String,
}

impl DecodeRune {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        output::print(&decoded(&parse(&self.rune)?), format)
    }
}

impl RestrictRune {
    pub(crate) fn run(self, format: Format) -> Result<(), Failure> {
        let rune = restricted(parse(&self.rune)?, &self.restrictions)?;
        output::print(&rune, format)
    }
}

fn parse(rune: &str) -> Result<Rune, Failure> {
    let invalid = |error: RuneError| Failure::InvalidRequest(format!("RUNE: {error}"));
    if rune != STANDARD_INPUT {
        return Rune::parse(rune).map_err(invalid);
    }
    let rune = io::read_to_string(io::stdin().lock())
        .map_err(|error| Failure::Local(format!("cannot read the rune: {error}")))?;
    Rune::parse(rune.trim()).map_err(invalid)
}

fn decoded(rune: &Rune) -> DecodedRune {
    let id = rune.unique_id();
    DecodedRune {
        id: id.map(|id| id.id().to_owned()),
        version: id.and_then(UniqueId::version).map(str::to_owned),
        restrictions: rune.restrictions().iter().map(ToString::to_string).collect(),
        allows: describe(rune.restrictions()),
    }
}

fn restricted(mut rune: Rune, restrictions: &[String]) -> Result<RestrictedRune, Failure> {
    for text in restrictions {
        let invalid =
            |error: RuneError| Failure::InvalidRequest(format!("RESTRICTION {text:?}: {error}"));
        let restriction: Restriction = text.parse().map_err(invalid)?;
        rune = rune.restrict(restriction).map_err(invalid)?;
    }
    Ok(RestrictedRune { rune: rune.encode() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by the package `runes` of the Python package index.
    const RUNE: &str = "N0cI__dxndWXnsh11WzSKG9tPPfsMXo7JWMqqyjsN7s=";

    fn restrict(restrictions: &[&str]) -> Result<Rune, String> {
        let restrictions: Vec<_> = restrictions.iter().map(|text| (*text).to_owned()).collect();
        let rune = Rune::parse(RUNE).map_err(|error| error.to_string())?;
        let restricted = restricted(rune, &restrictions).map_err(|error| error.to_string())?;
        Rune::parse(&restricted.rune).map_err(|error| error.to_string())
    }

    #[test]
    fn a_rune_is_decoded() {
        let rune = restrict(&["group=info|group=read", "budget=5sat/day"]).unwrap();
        let expected = DecodedRune {
            id: None,
            version: None,
            restrictions: vec!["group=info|group=read".to_owned(), "budget=5sat/day".to_owned()],
            allows: vec![
                "the group of the method is info or read".to_owned(),
                "at most 5sat is spent in any 24 hours".to_owned(),
            ],
        };
        assert_eq!(decoded(&rune), expected);
    }

    #[test]
    fn a_wrong_restriction_is_named() {
        let expected = "Error (Invalid Request): RESTRICTION \"a=1&b=2\": '&' must be escaped with \
                        a backslash here";
        assert_eq!(restrict(&["a=1", "a=1&b=2"]).err().as_deref(), Some(expected));
    }
}
