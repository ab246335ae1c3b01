use std::sync::atomic::{AtomicUsize, Ordering};

use ldk_node::UserChannelId;
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::runtime::Builder;

use super::*;
use crate::store::{AnswerDraft, testing};

fn intents() -> (TempDir, Intents) {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(testing::open(dir.path()));
    (dir, Intents::new(store))
}

fn encode(outcome: &IntentOutcome, _: &AnswerDraft) -> Vec<u8> {
    format!("{outcome:?}").into_bytes()
}

fn intent(key: &str, method: &'static str, request: u8) -> Intent {
    Intent::new(key.to_owned(), (method, [request; 32]), 1_700_000_000, encode)
}

fn channel(number: u128) -> IntentOutcome {
    IntentOutcome::Channel(UserChannelId(number))
}

/// It has led to a channel.
fn succeed(intents: &Intents, claim: Claim, number: u128) {
    intents.0.store.intent_came_to(Some(claim.intent()), &channel(number)).unwrap();
}

async fn new(intents: &Intents, intent: Intent) -> Claim {
    match intents.begin(intent).await.unwrap() {
        Begun::New(claim) => claim,
        Begun::Before(answer) => panic!("{}", String::from_utf8_lossy(&answer)),
    }
}

async fn refusal(intents: &Intents, intent: Intent) -> Error {
    intents.begin(intent).await.err().unwrap()
}

#[tokio::test]
async fn an_outcome_is_told_again_and_a_failure_frees_the_key() {
    let (_dir, intents) = intents();
    drop(new(&intents, intent("a", "OpenChannel", 1)).await);
    let claim = new(&intents, intent("a", "OpenChannel", 2)).await;
    succeed(&intents, claim, 7);
    for _ in 0..2 {
        let Begun::Before(answer) = intents.begin(intent("a", "OpenChannel", 2)).await.unwrap()
        else {
            panic!("carried out again");
        };
        assert_eq!(answer, encode(&channel(7), &AnswerDraft::default()));
    }
    assert!(matches!(intents.begin(intent("b", "OpenChannel", 2)).await, Ok(Begun::New(_))));
}

#[tokio::test]
async fn another_request_is_refused_by_name_before_and_after() {
    let (_dir, intents) = intents();
    let claim = new(&intents, intent("a", "OpenChannel", 1)).await;
    for other in [intent("a", "OpenChannel", 2), intent("a", "SpliceIn", 1)] {
        let refused = refusal(&intents, other).await;
        assert!(matches!(&refused, Error::AlreadyExists(reason) if reason.contains("\"a\"")));
    }
    succeed(&intents, claim, 7);
    for other in [intent("a", "OpenChannel", 2), intent("a", "SpliceIn", 1)] {
        let Error::AlreadyExists(reason) = refusal(&intents, other).await else {
            panic!("another error");
        };
        assert!(reason.contains("of OpenChannel"), "{reason}");
    }
}

#[tokio::test]
async fn those_who_wait_are_told_the_same_and_one_takes_over_from_who_failed() {
    let (_dir, intents) = intents();
    let executed = Arc::new(AtomicUsize::new(0));
    let calls = (0..20).map(|_| {
        let (intents, executed) = (intents.clone(), Arc::clone(&executed));
        tokio::spawn(async move {
            match intents.begin(intent("a", "OpenChannel", 1)).await.unwrap() {
                Begun::Before(answer) => Some(answer),
                Begun::New(claim) => {
                    tokio::task::yield_now().await;
                    // The first two fail, and send nothing.
                    if executed.fetch_add(1, Ordering::SeqCst) == 2 {
                        succeed(&intents, claim, 9);
                    }
                    None
                },
            }
        })
    });
    let answers: Vec<_> = futures_util::future::join_all(calls.collect::<Vec<_>>()).await;
    let told: Vec<_> = answers.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!((executed.load(Ordering::SeqCst), told.len()), (3, 17));
    assert!(told.iter().all(|answer| *answer == encode(&channel(9), &AnswerDraft::default())));
    assert_eq!(intents.0.waiters.count(), 0);
    assert!(intents.claims().claimed.is_empty());
}

#[tokio::test]
async fn an_outcome_that_is_not_known_is_told_as_such_and_a_key_that_sent_nothing_is_free() {
    let (_dir, intents) = intents();
    let claim = new(&intents, intent("a", "OpenChannel", 1)).await;
    let send = |sent: Result<(), bool>| {
        let called = || sent;
        intents.0.store.dispatch(Some(claim.intent()), None, called, |error| *error).unwrap()
    };
    assert_eq!(send(Err(true)), Err(true));
    drop(new(&intents, intent("b", "OpenChannel", 1)).await);
    assert_eq!(send(Err(false)), Err(false));
    drop(claim);
    let refused = refusal(&intents, intent("a", "OpenChannel", 1)).await;
    let Error::FailedPrecondition(reason) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("not known") && reason.contains("ListPayments"), "{reason}");
}

/// One step of a story of two keys.
#[derive(Clone, Copy, Debug)]
struct Step {
    key: usize,
    request: u8,
    succeeds: bool,
    restarts: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..2_usize, 1..3_u8, any::<bool>(), prop::bool::weighted(0.2));
    let step = step.prop_map(|(key, request, succeeds, restarts)| Step {
        key,
        request,
        succeeds,
        restarts,
    });
    prop::collection::vec(step, 1..12)
}

/// Plays the story on a store that is closed and opened again, and beside it with one cell for each key.
async fn play(steps: Vec<Step>) {
    let dir = tempfile::tempdir().unwrap();
    let mut intents = Intents::new(Arc::new(testing::open(dir.path())));
    let mut expected: [Option<(u8, u128)>; 2] = [None; 2];
    for (number, Step { key, request, succeeds, restarts }) in (0_u128..).zip(steps) {
        if restarts {
            drop(intents);
            intents = Intents::new(Arc::new(testing::open(dir.path())));
        }
        let begun = intents.begin(intent(["a", "b"][key], "OpenChannel", request)).await;
        match (expected[key], begun) {
            (None, Ok(Begun::New(claim))) if succeeds => {
                succeed(&intents, claim, number);
                expected[key] = Some((request, number));
            },
            (None, Ok(Begun::New(_))) => {},
            (Some((first, number)), Ok(Begun::Before(answer))) if first == request => {
                assert_eq!(answer, encode(&channel(number), &AnswerDraft::default()));
            },
            (Some((first, _)), Err(Error::AlreadyExists(_))) if first != request => {},
            (expected, Ok(_)) => panic!("{expected:?}, and it was carried out or told"),
            (expected, Err(error)) => panic!("{expected:?}: {error}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_key_has_one_outcome_whatever_comes_in_between(steps in steps()) {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(play(steps));
    }
}
