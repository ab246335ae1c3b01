//! Runes: making, listing, revoking and checking them.

use ldk_server_grpc::api::{
    CheckRuneRequest, CheckRuneResponse, CreateRuneRequest, CreateRuneResponse, ListRunesRequest,
    ListRunesResponse, RevokeRuneRequest, RevokeRuneResponse,
};
use ldk_server_grpc::rune::{Preset, Restriction, Rune, RuneError};

use crate::access::Grant;
use crate::app::App;
use crate::caller::{Caller, Identity};
use crate::clock::unix_secs;
use crate::error::{Error, quoted};
use crate::permissions::{self, Genuine};

const RUNE: &str = "rune";
const RESTRICTIONS: &str = "restrictions";
const PRESET: &str = "preset";
const LABEL: &str = "label";
const LIMIT: &str = "limit";

const MAX_LABEL_CHARS: usize = 128;
const DEFAULT_PAGE: u32 = 100;
const MAX_PAGE: u32 = 1_000;

pub(super) fn create(
    app: &App,
    caller: &Caller,
    request: CreateRuneRequest,
) -> Result<CreateRuneResponse, Error> {
    let CreateRuneRequest { restrictions, preset, label, rune, expires_in_secs } = request;
    caller.must_be_unrestricted()?;
    let is_admin = preset == Preset::Admin.name();
    let mut restrictions = restrictions_of(&preset, &restrictions)?;
    restrictions.extend(expiry(expires_in_secs)?);
    let runes = &app.permissions.runes;
    if !rune.is_empty() {
        let Genuine { rune, id, .. } =
            runes.verify(&rune).map_err(|refusal| Error::invalid(RUNE, refusal.to_string()))?;
        return Ok(CreateRuneResponse { rune: restrict(rune, restrictions)?.encode(), id });
    }
    if restrictions.is_empty() && !is_admin {
        return Err(Error::invalid(
            RESTRICTIONS,
            "without any, the rune allows everything: ask for the preset admin if that is meant",
        ));
    }
    let Genuine { rune, id, .. } = runes.create(restrictions, checked_label(label)?)?;
    Ok(CreateRuneResponse { rune: rune.encode(), id })
}

pub(super) fn list(
    app: &App,
    _: &Caller,
    ListRunesRequest { after_id, limit }: ListRunesRequest,
) -> Result<ListRunesResponse, Error> {
    let limit = match limit {
        0 => DEFAULT_PAGE,
        1..=MAX_PAGE => limit,
        more => return Err(Error::invalid(LIMIT, format!("{more} is more than {MAX_PAGE}"))),
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (runes, has_more) = app.permissions.runes.list(after_id, limit)?;
    Ok(ListRunesResponse { runes, has_more })
}

pub(super) fn revoke(
    app: &App,
    _: &Caller,
    RevokeRuneRequest { first_id, last_id }: RevokeRuneRequest,
) -> Result<RevokeRuneResponse, Error> {
    let last_id = last_id.unwrap_or(first_id);
    if last_id < first_id {
        let reason = format!("{last_id} is before first_id, which is {first_id}");
        return Err(Error::invalid("last_id", reason));
    }
    let revoked = app.permissions.runes.revoke(first_id..=last_id)?;
    let unknown = || Error::NotFound(format!("there is no rune from {first_id} to {last_id}"));
    Ok(RevokeRuneResponse { revoked: revoked.ok_or_else(unknown)? })
}

pub(super) fn check(
    app: &App,
    _: &Caller,
    CheckRuneRequest { rune, method, request }: CheckRuneRequest,
) -> Result<CheckRuneResponse, Error> {
    Rune::parse(&rune).map_err(|error| Error::invalid(RUNE, error.to_string()))?;
    let called = (app.permissions.groups)(&method);
    if called.is_none() && !method.is_empty() {
        let reason = format!("{} is no call of this API", quoted(&method));
        return Err(Error::invalid("method", reason));
    }
    let genuine = match app.permissions.runes.verify(&rune) {
        Ok(genuine) => genuine,
        Err(refusal) => return Ok(refused(None, refusal.to_string())),
    };
    let id = Some(genuine.id);
    let Some(called) = called else { return Ok(allowed(id)) };
    let request = permissions::request(called.0, &request)
        .map_err(|error| Error::invalid("request", error.to_string()))?;
    let identity = Identity::Rune { id: genuine.id, label: genuine.label.into() };
    let caller = Caller::known(identity, Grant::of_rune(genuine.rune));
    let refusal = app.permissions.refusal(&caller, called, &request);
    Ok(refusal.map_or(allowed(id), |refusal| refused(id, refusal.to_string())))
}

fn allowed(id: Option<u64>) -> CheckRuneResponse {
    CheckRuneResponse { allowed: true, reason: String::new(), id }
}

fn refused(id: Option<u64>, reason: String) -> CheckRuneResponse {
    CheckRuneResponse { allowed: false, reason, id }
}

/// Those of a preset, and these.
pub(super) fn restrictions_of(preset: &str, texts: &[String]) -> Result<Vec<Restriction>, Error> {
    let mut restrictions = match preset {
        "" => Vec::new(),
        name => {
            let preset = Preset::named(name).ok_or_else(|| {
                let names = Preset::ALL.map(Preset::name).join(", ");
                Error::invalid(PRESET, format!("{} must be one of {names}", quoted(name)))
            })?;
            preset.restrictions().map_err(|error| Error::invalid(PRESET, error.to_string()))?
        },
    };
    for text in texts {
        let parsed = Restriction::parse_list(text);
        restrictions.extend(
            parsed.map_err(|error| {
                Error::invalid(RESTRICTIONS, format!("{}: {error}", quoted(text)))
            })?,
        );
    }
    Ok(restrictions)
}

fn expiry(expires_in_secs: u64) -> Result<Option<Restriction>, Error> {
    if expires_in_secs == 0 {
        return Ok(None);
    }
    let at = unix_secs().saturating_add(expires_in_secs);
    let restriction = format!("time<{at}").parse();
    let invalid = |error: RuneError| Error::invalid("expires_in_secs", error.to_string());
    restriction.map(Some).map_err(invalid)
}

fn restrict(rune: Rune, restrictions: Vec<Restriction>) -> Result<Rune, Error> {
    let restricted =
        restrictions.into_iter().try_fold(rune, |rune, restriction| rune.restrict(restriction));
    restricted.map_err(|error| Error::invalid(RESTRICTIONS, error.to_string()))
}

fn checked_label(label: String) -> Result<String, Error> {
    let chars = label.chars().count();
    if chars > MAX_LABEL_CHARS {
        let reason = format!("has {chars} characters; at most {MAX_LABEL_CHARS} are accepted");
        return Err(Error::invalid(LABEL, reason));
    }
    if label.chars().any(char::is_control) {
        return Err(Error::invalid(LABEL, "must not contain control characters"));
    }
    Ok(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restrictions_are_those_of_the_preset_and_then_the_others() {
        let texts = ["rate=5&per=1sec".to_owned(), "pname_amount_msat<10".to_owned()];
        let restrictions = restrictions_of("read", &texts).unwrap();
        let restrictions: Vec<_> = restrictions.iter().map(ToString::to_string).collect();
        assert_eq!(
            restrictions,
            ["group=info|group=read", "rate=5", "per=1sec", "pname_amount_msat<10"]
        );
        assert!(restrictions_of("admin", &[]).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let error = restrictions_of("root", &[]).unwrap_err().to_string();
        assert!(
            error.starts_with("preset: ") && error.contains("read, invoice, pay, admin"),
            "{error}"
        );
        let error = restrictions_of("", &["method".to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("restrictions: ") && error.contains("no operator"), "{error}");
    }

    #[test]
    fn labels_are_short_and_plain() {
        assert_eq!(checked_label("shop ü".to_owned()).unwrap(), "shop ü");
        assert!(checked_label("x".repeat(MAX_LABEL_CHARS + 1)).is_err());
        assert!(checked_label("a\nb".to_owned()).is_err());
    }
}
