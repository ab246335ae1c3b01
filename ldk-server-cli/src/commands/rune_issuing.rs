//! Runes: tokens that allow what their restrictions allow.

use clap::Args;
use ldk_server_grpc::api::{
    CheckRuneRequest, CreateRuneRequest, ListRunesRequest, RevokeRuneRequest,
};

use humantime::Duration;

unary_commands!(Commands {
    CreateRune => create_rune,
    ListRunes => list_runes,
    RevokeRune => revoke_rune,
    CheckRune => check_rune,
});

/// Create a rune: a token that allows some calls, to be handed out
///
/// All restrictions must hold. Without the preset admin there must be at least one.
#[derive(Debug, Args)]
pub(crate) struct CreateRune {
    /// Restriction in the syntax of runes, such as "method=Bolt11Receive|method=GetNodeInfo"; may be
    /// repeated
    #[arg(value_name = "RESTRICTION")]
    restrictions: Vec<String>,
    /// Allow a set of calls: read, invoice, pay or admin
    #[arg(long, value_name = "PRESET")]
    preset: Option<String>,
    /// Allow only this call, such as Bolt11Receive; may be repeated
    #[arg(long, value_name = "METHOD")]
    method: Vec<String>,
    /// How long it is good for, such as 30d, 12h or 90min [default: for ever]
    #[arg(long, value_name = "TIME")]
    expires: Option<Duration>,
    /// How much may be spent in which time, such as 100000sat/day; hour, day, week, month or total; may be
    /// repeated
    #[arg(long, value_name = "AMOUNT/WINDOW")]
    budget: Vec<String>,
    /// Number of calls that may be made in a minute
    #[arg(long, value_name = "CALLS")]
    rate: Option<u64>,
    /// How many calls of one method may be made in a minute, such as Bolt11Send=5; may be repeated
    #[arg(long, value_name = "METHOD=CALLS", value_parser = method_limit)]
    method_limit: Vec<String>,
    /// What it is for
    #[arg(long, default_value_t)]
    label: String,
    /// Rune to restrict further, instead of making a new one
    #[arg(long, value_name = "RUNE", default_value_t)]
    of: String,
}

/// As a restriction: either it is another method, or it is not called more often.
fn method_limit(text: &str) -> Result<String, String> {
    let (method, rate) = text.split_once('=').ok_or("expected METHOD=CALLS")?;
    let rate: u64 = rate.parse().map_err(|_| "expected a whole number of calls after =")?;
    Ok(format!("method/{method}|rate={rate}"))
}

impl From<CreateRune> for CreateRuneRequest {
    fn from(command: CreateRune) -> Self {
        let CreateRune {
            mut restrictions,
            preset,
            method,
            expires,
            budget,
            rate,
            method_limit,
            label,
            of,
        } = command;
        if !method.is_empty() {
            let methods: Vec<_> = method.iter().map(|method| format!("method={method}")).collect();
            restrictions.push(methods.join("|"));
        }
        restrictions.extend(rate.map(|rate| format!("rate={rate}")));
        restrictions.extend(method_limit);
        restrictions.extend(budget.iter().map(|budget| format!("budget={budget}")));
        Self {
            restrictions,
            preset: preset.unwrap_or_default(),
            label,
            rune: of,
            expires_in_secs: expires.map_or(0, |expires| expires.as_secs()),
        }
    }
}

/// List the runes that were created, without the runes themselves
#[derive(Debug, Args)]
pub(crate) struct ListRunes {
    /// Id number of the last rune before the list
    #[arg(long, value_name = "ID")]
    after_id: Option<u64>,
    /// Maximum number of runes to list
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

impl From<ListRunes> for ListRunesRequest {
    fn from(ListRunes { after_id, limit }: ListRunes) -> Self {
        Self { after_id, limit }
    }
}

/// Revoke runes, with all that were made of them by restricting them further
#[derive(Debug, Args)]
pub(crate) struct RevokeRune {
    /// Id number of the rune, or of the first of several
    first_id: u64,
    /// Id number of the last of several
    last_id: Option<u64>,
}

impl From<RevokeRune> for RevokeRuneRequest {
    fn from(RevokeRune { first_id, last_id }: RevokeRune) -> Self {
        Self { first_id, last_id }
    }
}

/// Ask the server whether a rune is good, and whether it allows a call
#[derive(Debug, Args)]
pub(crate) struct CheckRune {
    /// Rune
    rune: String,
    /// Call, such as Bolt11Send, without parameters [default: only whether the rune is good]
    #[arg(default_value_t)]
    method: String,
}

impl From<CheckRune> for CheckRuneRequest {
    fn from(CheckRune { rune, method }: CheckRune) -> Self {
        Self { rune, method, request: Default::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::{request, usage_error};

    #[test]
    fn options_become_restrictions() {
        let created = request::<CreateRune, CreateRuneRequest>(
            "--preset pay --expires 30d --budget 100000sat/day --rate 9 --method-limit Bolt11Send=5 \
             --method Bolt11Send --method Bolt12Send pname_amount_msat<7 --label agent",
        )
        .unwrap();
        assert_eq!(
            created.restrictions,
            [
                "pname_amount_msat<7",
                "method=Bolt11Send|method=Bolt12Send",
                "rate=9",
                "method/Bolt11Send|rate=5",
                "budget=100000sat/day",
            ]
        );
        assert_eq!((created.preset.as_str(), created.label.as_str()), ("pay", "agent"));
        assert_eq!(created.expires_in_secs, 30 * 86_400);
    }

    #[test]
    fn one_rune_or_a_range_is_revoked() {
        assert_eq!(
            request::<RevokeRune, RevokeRuneRequest>("3"),
            Ok(RevokeRuneRequest { first_id: 3, last_id: None })
        );
        assert_eq!(
            request::<RevokeRune, RevokeRuneRequest>("3 7"),
            Ok(RevokeRuneRequest { first_id: 3, last_id: Some(7) })
        );
        assert!(usage_error::<RevokeRune>("").contains("FIRST_ID"));
    }

    #[test]
    fn what_is_no_time_or_limit_is_refused() {
        assert!(usage_error::<CreateRune>("--expires soon").contains("soon"));
        assert!(usage_error::<CreateRune>("--method-limit Bolt11Send").contains("METHOD=CALLS"));
    }
}
