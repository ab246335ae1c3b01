//! Every call, made with every kind of credential: what each is answered.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e_tests::{Network, Node, RawConnection, grpc_frame, grpc_request, print_uncaptured};
use http_body_util::Full;
use hyper::body::Bytes;
use ldk_server::access::Access;
use ldk_server::api::{Impact, Kind, RpcSpec, specs};
use ldk_server_client::Code;
use ldk_server_grpc::rune::{self, MasterSecret, Rune};

use super::rune;
use crate::rest::{self, post, send, snake};

/// However many wrong credentials there are, each is refused at once.
const AT_ONCE: &str = "[limits]\nmax_auth_failure_delay_secs = 0\n";
/// How long an answer may take on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a call is left waiting for what does not come.
const WAIT: Duration = Duration::from_millis(500);

/// Whom a call is allowed to.
type Allowed = fn(&RpcSpec) -> bool;

/// A credential, what it is, and which calls it allows; `None` if it is as good as none.
struct Case {
    name: &'static str,
    rune: Option<String>,
    allowed: Option<Allowed>,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_answered_as_every_credential_allows() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node_with("alice", AT_ONCE).await?;
    let cases = cases(&alice).await?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for case in &cases {
        for spec in specs() {
            check(&alice, case, spec).await?;
            *counts.entry(case.name).or_default() += 1;
        }
    }
    let all: usize = counts.values().sum();
    print_uncaptured(&format!("{all} calls were answered as allowed: {counts:?}"));
    assert_eq!(all, cases.len() * specs().len());
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_certificate_that_is_required_no_call_is_answered() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node_with("alice", "[tls]\nclient_auth = \"required\"\n").await?;
    let admin = rune(&alice, &["--preset", "admin"]).await?;
    for spec in specs() {
        let request = grpc_request(alice.config(), spec.name).header(rune::HEADER, &admin);
        let request = request.body(Full::new(Bytes::from(grpc_frame(&[]))))?;
        // With TLS 1.3, the client may learn of it with the first request only.
        let answer = match RawConnection::open(alice.config()).await {
            Ok(mut connection) => connection.send(request).await,
            Err(refused) => Err(refused),
        };
        ensure!(answer.is_err(), "{}: {answer:?}", spec.name);
    }
    print_uncaptured(&format!("{} calls without a certificate: no connection", specs().len()));
    network.stop().await
}

async fn cases(alice: &Node) -> Result<Vec<Case>> {
    let case = |name, rune: String, allowed: Allowed| Case {
        name,
        rune: Some(rune),
        allowed: Some(allowed),
    };
    let of = |options: &'static [&'static str]| rune(alice, options);
    let revoked = of(&["--preset", "admin"]).await?;
    alice.cli(&["revoke-rune", "0"]).await?;
    let admin = of(&["--preset", "admin"]).await?;
    let attenuated = Rune::parse(&admin)?.restrict("method=get-node-info|group=sign".parse()?)?;
    let foreign = MasterSecret::new(&[7; 32])?.issue(1, Vec::new())?;
    Ok(vec![
        Case { name: "nothing", rune: None, allowed: None },
        Case { name: "revoked", rune: Some(revoked), allowed: None },
        Case { name: "made elsewhere", rune: Some(foreign.encode()), allowed: None },
        Case { name: "no rune", rune: Some("bm9uc2Vuc2U=".to_owned()), allowed: None },
        case("admin", admin, |_| true),
        case("read", of(&["--preset", "read"]).await?, |spec| {
            matches!(spec.access, Access::Info | Access::Read)
        }),
        case("invoice", of(&["--preset", "invoice"]).await?, |spec| {
            matches!(spec.access, Access::Info | Access::Read | Access::Invoice | Access::Events)
        }),
        case("pay", of(&["--preset", "pay"]).await?, |spec| {
            matches!(
                spec.access,
                Access::Info | Access::Read | Access::Invoice | Access::Pay | Access::Events
            )
        }),
        case("expired", of(&["time<1700000000"]).await?, |_| false),
        case("wrong parameter", of(&["pname_no_such_field!"]).await?, |_| false),
        case("unknown condition", of(&["colour!"]).await?, |_| false),
        case("once an hour", of(&["per=1hour"]).await?, |spec| spec.name == specs()[0].name),
        case("restricted by its holder", attenuated.encode(), |spec| {
            spec.name == "GetNodeInfo" || spec.access == Access::Sign
        }),
    ])
}

/// Whether a call may wait until its deadline, because it is allowed.
fn waits(case: &Case, spec: &RpcSpec) -> bool {
    let is_allowed = case.allowed.is_some_and(|allowed| allowed(spec));
    is_allowed && (spec.kind == Kind::Stream || spec.name.starts_with("Wait"))
}

/// The deadline of a call in milliseconds. What is answered at once has a long one, so that it is told
/// from what is not answered, however slow the machine is.
fn timeout_ms(case: &Case, spec: &RpcSpec) -> u128 {
    if waits(case, spec) { WAIT.as_millis() } else { PATIENCE.as_millis() }
}

async fn check(alice: &Node, case: &Case, spec: &RpcSpec) -> Result<()> {
    let timeout = format!("{}m", timeout_ms(case, spec));
    let mut request = grpc_request(alice.config(), spec.name).header("grpc-timeout", timeout);
    if let Some(rune) = &case.rune {
        request = request.header(rune::HEADER, rune);
    }
    let body = Full::new(Bytes::from(grpc_frame(&[])));
    let mut connection = RawConnection::open(alice.config()).await?;
    let answer = connection.send(request.body(body)?).await?;
    let code = answer.grpc_code()?;
    let expected = match case.allowed {
        None => code == Code::Unauthenticated,
        Some(allowed) if allowed(spec) => !matches!(
            code,
            Code::Unauthenticated | Code::PermissionDenied | Code::Internal | Code::Unavailable
        ),
        Some(_) => {
            let names_the_rune = answer.grpc_message()?.starts_with("rune ");
            code == Code::PermissionDenied && names_the_rune
        },
    };
    ensure!(expected, "{} with {}: {answer:?}", spec.name, case.name);
    check_in_json(alice, case, spec, code).await
}

/// Checks that the same call in JSON is answered with the same code.
async fn check_in_json(alice: &Node, case: &Case, spec: &RpcSpec, expected: Code) -> Result<()> {
    let is_counted = case.name == "once an hour";
    if spec.kind == Kind::Stream || is_counted && expected != Code::PermissionDenied {
        return Ok(());
    }
    let path = format!("/api.LightningNode/{}", spec.name);
    let mut request = post(alice.config(), &path)
        .header("content-type", "application/json")
        .header("connect-timeout-ms", timeout_ms(case, spec).to_string());
    if let Some(rune) = &case.rune {
        request = request.header(rune::HEADER, rune);
    }
    let answer = send(alice, request, "").await?;
    if spec.impact == Impact::Reads || answer.status != 200 {
        let code = if answer.status == 200 { "ok".to_owned() } else { rest::code(&answer)? };
        // Who waits is answered just before the deadline, or just after.
        let is_late = |code: &str| waits(case, spec) && code == snake(Code::DeadlineExceeded);
        let is_expected = code == snake(expected) || is_late(&code) || is_late(&snake(expected));
        ensure!(is_expected, "{} with {}: {answer:?}", spec.name, case.name);
    } else {
        ensure!(case.allowed.is_some_and(|allowed| allowed(spec)), "{answer:?}");
    }
    Ok(())
}
