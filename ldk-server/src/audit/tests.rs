use ldk_server_grpc::api::{Bolt11ReceiveRequest, Bolt11SendRequest};
use tempfile::TempDir;

use super::refusals::MAX_RECORDED;
use super::*;
use crate::access::Grant;
use crate::store::{AuditEntry, AuditFilter, testing};

const SECRET: &str = "lnbcrt1secret";

fn shop() -> Caller {
    let identity = Identity::Rune { id: 3, label: Arc::from("shop") };
    let mut caller = Caller::known(identity, Grant::Nothing);
    caller.has_sent(Some(0x1f3a), None);
    caller
}

fn audit() -> (TempDir, Audit) {
    let dir = TempDir::new().unwrap();
    let store = Arc::new(testing::open(dir.path()));
    (dir, Audit::new(store))
}

fn entries(audit: &Audit) -> Vec<AuditEntry> {
    audit.store.audit_entries(&AuditFilter::default(), None, 1_000).unwrap().rows
}

fn pays() -> Bolt11SendRequest {
    Bolt11SendRequest { invoice: SECRET.to_owned(), ..Default::default() }
}

fn begin(audit: &Audit, caller: &Caller) -> Recorded {
    let entry = entry_of(caller, "Bolt11Send", &pays());
    audit.begin(Some(entry), caller).unwrap()
}

#[test]
fn an_entry_tells_who_has_called_what_and_with_which_result() {
    let (_dir, audit) = audit();
    let caller = shop();
    let request = Bolt11ReceiveRequest { amount_msat: Some(5_000), ..Default::default() };
    let entry = entry_of(&caller, "Bolt11Receive", &request);
    let recorded = audit.begin(Some(entry), &caller).unwrap();
    let [under_way] = &entries(&audit)[..] else { panic!("not one entry") };
    assert_eq!(under_way.result, AuditResult::UnderWay);
    recorded.ended(&Ok(()));
    let [AuditEntry { number: 1, call, result }] = &entries(&audit)[..] else {
        panic!("not one entry")
    };
    assert_eq!(*result, AuditResult::Answered(0));
    assert_eq!((call.caller.as_str(), call.method.as_str()), ("rune 3", "Bolt11Receive"));
    assert_eq!((call.request_id.as_str(), call.amount_msat), ("1f3a", Some(5_000)));
}

#[test]
fn the_amount_may_be_known_only_by_the_operation() {
    let (_dir, audit) = audit();
    let caller = shop();
    let recorded = begin(&audit, &caller);
    caller.names_amount_msat(7_000);
    recorded.ended::<()>(&Err(Error::FailedPrecondition(SECRET.to_owned())));
    let entries = entries(&audit);
    assert_eq!(entries[0].call.amount_msat, Some(7_000));
    assert_eq!(entries[0].result, answered(Code::FailedPrecondition));
    assert!(!format!("{entries:?}").contains(SECRET));
}

#[test]
fn the_result_of_a_call_that_was_given_up_is_not_known() {
    let (_dir, audit) = audit();
    drop(begin(&audit, &shop()));
    assert_eq!(entries(&audit)[0].result, AuditResult::Unknown);
}

#[test]
fn what_was_refused_is_recorded_as_long_as_it_is_little() {
    let (_dir, audit) = audit();
    let refusal = || Error::PermissionDenied("no".to_owned());
    for _ in 0..10 {
        audit.refused(&shop(), "Bolt11Send", &pays(), &refusal());
        begin(&audit, &shop()).ended::<()>(&Err(refusal()));
    }
    for _ in 0..MAX_RECORDED {
        audit.refused(&shop(), "Bolt11Send", &pays(), &refusal());
        begin(&audit, &shop()).ended::<()>(&Err(Error::invalid("invoice", "no")));
    }
    audit.refused(&Caller::default(), "Bolt11Send", &pays(), &refusal());
    assert_eq!(u64::try_from(entries(&audit).len()).unwrap(), MAX_RECORDED);
    begin(&audit, &shop()).ended(&Ok(()));
    begin(&audit, &shop()).ended::<()>(&Err(Error::internal("disk")));
    assert_eq!(
        u64::try_from(entries(&audit).len()).unwrap(),
        MAX_RECORDED + 2,
        "what may have changed something"
    );
}

#[test]
fn names_are_cut_to_a_length_and_have_no_control_characters() {
    assert_eq!(bounded("a\nb\u{1b}[1m"), "ab[1m");
    assert_eq!(bounded(&"ü".repeat(1_000)).chars().count(), MAX_CALLER_CHARS);
}

#[tokio::test]
async fn a_caller_can_wait_until_the_entry_is_on_disk() {
    let (_dir, audit) = audit();
    let written = begin(&audit, &shop()).ended(&Ok(()));
    written.on_disk().await.unwrap();
    let not_recorded = audit.begin(None, &shop()).unwrap().ended(&Ok(()));
    not_recorded.on_disk().await.unwrap();
    assert_eq!(entries(&audit).len(), 1);
}
