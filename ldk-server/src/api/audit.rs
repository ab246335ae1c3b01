//! The record of the calls that changed something.

use ldk_server_grpc::RPC_NAMES;
use ldk_server_grpc::api::{ListAuditEntriesRequest, ListAuditEntriesResponse};
use ldk_server_grpc::types::{self, PageToken};
use tonic::Code;

use super::pages;
use crate::app::App;
use crate::caller::Caller;
use crate::error::{Error, code_name, quoted};
use crate::ops;
use crate::store::{AuditEntry, AuditFilter, AuditPlace, AuditResult, NewAuditEntry, Page};

const METHOD: &str = "method";
const RESULT: &str = "result";

const IN_PROGRESS: &str = "IN_PROGRESS";
const UNKNOWN: &str = "UNKNOWN";

pub(super) fn list(
    app: &App,
    _: &Caller,
    request: ListAuditEntriesRequest,
) -> Result<ListAuditEntriesResponse, Error> {
    let ListAuditEntriesRequest {
        page_token,
        page_size,
        method,
        caller,
        result,
        created_from,
        created_before,
    } = request;
    let after = page_token.as_ref().map(place).transpose()?;
    let page_size = pages::parse_page_size(page_size)?;
    pages::check_times(created_from, created_before)?;
    let filter = AuditFilter {
        method: Some(method).filter(|method| !method.is_empty()).map(known).transpose()?,
        caller: Some(caller).filter(|caller| !caller.is_empty()),
        result: parse_result(&result)?,
        created_from,
        created_before,
    };
    let Page { rows, has_more } = ops::audit::list(app, &filter, after, page_size)?;
    let next_page_token = rows.last().filter(|_| has_more).map(|last| {
        let AuditPlace { created_at, number } = last.place();
        pages::token_of(created_at, number)
    });
    let entries = rows.into_iter().map(message).collect();
    Ok(ListAuditEntriesResponse { entries, next_page_token })
}

/// The entry itself may be removed meanwhile.
fn place(token: &PageToken) -> Result<AuditPlace, Error> {
    let (created_at, number) = pages::numbered(token)?;
    Ok(AuditPlace { created_at, number })
}

fn known(method: String) -> Result<String, Error> {
    if RPC_NAMES.contains(&method.as_str()) {
        return Ok(method);
    }
    Err(Error::invalid(METHOD, format!("{} is no call of this API", quoted(&method))))
}

fn parse_result(text: &str) -> Result<Option<AuditResult>, Error> {
    let code = || (0..=16).find(|code| code_name(Code::from_i32(*code)) == text);
    match text {
        "" => Ok(None),
        IN_PROGRESS => Ok(Some(AuditResult::UnderWay)),
        UNKNOWN => Ok(Some(AuditResult::Unknown)),
        text => code().map(|code| Some(AuditResult::Answered(code))).ok_or_else(|| {
            let accepted = "is neither the name of a gRPC status nor IN_PROGRESS";
            Error::invalid(RESULT, format!("{} {accepted}", quoted(text)))
        }),
    }
}

fn message(entry: AuditEntry) -> types::AuditEntry {
    let AuditEntry { number, call, result } = entry;
    let NewAuditEntry {
        created_at,
        caller,
        method,
        request_id,
        amount_msat,
        amount_sats,
        not_recorded,
    } = call;
    let result = match result {
        AuditResult::UnderWay => IN_PROGRESS,
        AuditResult::Unknown => UNKNOWN,
        AuditResult::Answered(code) => code_name(Code::from_i32(code)),
    };
    types::AuditEntry {
        number,
        created_at,
        caller,
        method,
        request_id,
        amount_msat,
        amount_sats,
        result: result.to_owned(),
        not_recorded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_have_the_names_of_grpc() {
        assert_eq!(parse_result("").unwrap(), None);
        for (name, result) in [
            ("OK", AuditResult::Answered(0)),
            ("PERMISSION_DENIED", AuditResult::Answered(7)),
            ("UNKNOWN", AuditResult::Unknown),
            ("IN_PROGRESS", AuditResult::UnderWay),
        ] {
            assert_eq!(parse_result(name).unwrap(), Some(result), "{name}");
            let call = NewAuditEntry::default();
            assert_eq!(message(AuditEntry { number: 1, call, result }).result, name);
        }
        for name in ["ok", "DENIED", " OK"] {
            let error = parse_result(name).unwrap_err().to_string();
            assert!(error.starts_with("result: ") && error.contains("IN_PROGRESS"), "{error}");
        }
    }

    #[test]
    fn a_method_is_one_of_the_calls() {
        assert_eq!(known("Bolt11Send".to_owned()).unwrap(), "Bolt11Send");
        let error = known("bolt11-send".to_owned()).unwrap_err().to_string();
        assert!(error.starts_with("method: \"bolt11-send\" is no call"), "{error}");
    }

    #[test]
    fn what_cannot_be_a_token_is_refused_by_name() {
        for (token, index) in [("", 0), ("00", 0), ("00000000000000ff", -1)] {
            let error = place(&PageToken { token: token.to_owned(), index }).unwrap_err();
            assert!(error.to_string().starts_with("page_token: "), "{error}");
        }
    }
}
