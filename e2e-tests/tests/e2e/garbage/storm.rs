//! Sending what is in the table, and collecting what comes back.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Node, NodeConfig, RawConnection, grpc_frame, signed_request};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use ldk_server_client::Code;
use ldk_server_client::api::GetNodeInfoRequest;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use rand::rngs::StdRng;
use tokio::time::{Instant, timeout};

use crate::garbage::bases::{self, Base};
use crate::garbage::judge::{self, Answer, Difference};
use crate::garbage::variants::{self, Variant};

/// Requests under way: no more than the server takes of any kind, of which on-chain spends are the
/// fewest.
const AT_ONCE: usize = 8;
/// What takes longer is taken for a hang.
const PATIENCE: Duration = Duration::from_secs(10);
/// Subscriptions to events on each of so many connections.
const SUBSCRIPTIONS: usize = 200;
const CONNECTIONS: usize = 5;
const SHOWN_CHARS: usize = 200;

/// What became of the requests for one RPC.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// How many were answered with each status.
    pub(crate) codes: BTreeMap<i32, usize>,
    /// The longest that one took.
    slowest: Duration,
    /// Those that were answered wrongly, or not at all.
    pub(crate) failures: Vec<Failure>,
}

/// A request that was answered wrongly, or not at all.
#[derive(Debug)]
pub(crate) struct Failure {
    field: String,
    what: String,
    answer: String,
    complaint: String,
}

impl Outcome {
    /// How many requests were sent.
    pub(crate) fn sent(&self) -> usize {
        self.codes.values().sum()
    }

    fn add(&mut self, case: Case<'_>, took: Duration, answer: Result<Answer>) {
        self.slowest = self.slowest.max(took);
        let code = answer.as_ref().map_or(-1, |answer| answer.code as i32);
        *self.codes.entry(code).or_default() += 1;
        let (answer, complaint) = match answer {
            Ok(answer) => {
                let complaint = judge::complaint(case.base, case.differences.as_deref(), &answer);
                (format!("{:?} {}", answer.code, answer.message), complaint)
            },
            Err(error) => (String::new(), Some(format!("{error:#}"))),
        };
        if let Some(complaint) = complaint {
            let Variant { field, what, .. } = case.variant;
            let answer = answer.chars().take(SHOWN_CHARS).collect();
            self.failures.push(Failure { field, what, answer, complaint });
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |code: Code| self.codes.get(&(code as i32)).copied().unwrap_or_default();
        write!(
            formatter,
            "{:6} sent  {:6} OK  {:6} INVALID_ARGUMENT  {:6} FAILED_PRECONDITION  {:6} \
             UNIMPLEMENTED  {:3} wrong  slowest {:.1?}",
            self.sent(),
            count(Code::Ok),
            count(Code::InvalidArgument),
            count(Code::FailedPrecondition),
            count(Code::Unimplemented),
            self.failures.len(),
            self.slowest,
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, what, answer, complaint } = self;
        let field = if field.is_empty() { "the message" } else { field };
        write!(formatter, "{field}: {what:?} -> {answer:?}: {complaint}")
    }
}

/// A request to send.
struct Case<'a> {
    base: &'a Base,
    variant: Variant,
    /// Where it is not as it should be; `None` when it is no message.
    differences: Option<Vec<Difference>>,
}

/// Sends all the changes of these requests for this RPC, and checks that the node goes on.
pub(crate) async fn rage(
    node: &Node,
    method: &MethodDescriptor,
    bases: &[&Base],
    random: &mut StdRng,
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for base in bases {
        let sound = DynamicMessage::decode(method.input(), base.request.as_slice())?;
        let connection = RawConnection::open(node.config()).await?;
        let cases = variants::of(&sound, random).into_iter().filter_map(|variant| {
            let differences = judge::differences(&sound, &variant.bytes);
            let case = Case { base, variant, differences };
            case.may_be_sent().then_some(case)
        });
        let answers = stream::iter(cases).map(|case| async {
            let started = Instant::now();
            let answer = send(&connection, node.config(), method, &case.variant.bytes).await;
            (case, started.elapsed(), answer)
        });
        let mut answers = std::pin::pin!(answers.buffer_unordered(AT_ONCE));
        while let Some((case, took, answer)) = answers.next().await {
            outcome.add(case, took, answer);
        }
    }
    let still_there = async {
        node.ensure_running().await?;
        anyhow::Ok(timeout(PATIENCE, node.client().get_node_info(GetNodeInfoRequest {})).await??)
    };
    still_there.await.with_context(|| format!("after {}: {outcome:#?}", method.name()))?;
    Ok(outcome)
}

impl Case<'_> {
    /// What chance has made may be different in more than one place, and then nothing is known of
    /// what it would do.
    fn may_be_sent(&self) -> bool {
        let differences = self.differences.as_deref().unwrap_or_default();
        let known = !self.variant.random || differences.len() <= 1;
        known && !self.base.spares(differences)
    }
}

/// Subscribes to the events again and again, and goes away as soon as a stream has begun.
pub(crate) async fn subscribe_and_leave(node: &Node) -> Result<()> {
    for _ in 0..CONNECTIONS {
        let connection = RawConnection::open(node.config()).await?;
        let subscriptions = stream::iter(0..SUBSCRIPTIONS).map(|_| async {
            let request = signed_request(node.config(), "SubscribeEvents", grpc_frame(&[]))?;
            let answer = timeout(PATIENCE, connection.clone().begin(request)).await??;
            ensure!(!answer.headers.contains_key("grpc-status"), "{answer:?}");
            Ok(())
        });
        subscriptions.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    }
    Ok(())
}

async fn send(
    connection: &RawConnection,
    node: &NodeConfig,
    method: &MethodDescriptor,
    message: &[u8],
) -> Result<Answer> {
    let frame = grpc_frame(&bases::freshened(message));
    let request = signed_request(node, method.name(), frame)?;
    let mut connection = connection.clone();
    let answer = timeout(PATIENCE, async {
        if method.is_server_streaming() {
            connection.begin(request).await
        } else {
            connection.send(request).await
        }
    });
    let answer = answer.await.with_context(|| format!("no answer within {PATIENCE:?}"))??;
    // A stream without a status has begun.
    let code = if method.is_server_streaming() && !answer.headers.contains_key("grpc-status") {
        Code::Ok
    } else {
        answer.grpc_code()?
    };
    Ok(Answer { code, message: answer.grpc_message()? })
}
