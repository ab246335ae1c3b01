//! Faults of PostgreSQL, and of the network to it: answers are late, nothing is lost, and what is not
//! there was not acknowledged.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, Postgres, TcpProxy, print_uncaptured, refusal, until};
use ldk_server_client::api::Bolt11ReceiveRequest;
use ldk_server_client::types::PaymentStatus;
use tokio::time::{sleep, timeout};

const CHANNEL_SATS: u64 = 1_000_000;
const FUNDS_SATS: u64 = 2 * CHANNEL_SATS;
const PAYMENT_MSAT: u64 = 1_000_000;
/// Less than the lease lasts.
const SHORT: Duration = Duration::from_secs(2);
const MOMENT: Duration = Duration::from_millis(700);
const SHORT_LEASE: &str = "lease_secs = 3\n";
/// What a slow engine adds to each round trip.
const DELAY: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(120);
/// How often the payer is asked for the outcome of a payment.
const ASK_INTERVAL: Duration = Duration::from_millis(20);
/// What ends the answer to a commit, and to nothing else that the node asks for regularly.
const END_OF_COMMIT: &[u8] = b"SELECT 1\0";
const LOST_ANSWERS: u32 = 5;

/// Alice, who has her state in PostgreSQL, and bob, who has a file, with a channel.
pub(crate) async fn pair(network: &Network, section: String) -> Result<[Arc<Node>; 2]> {
    let (alice, bob) = tokio::try_join!(network.node_with("alice", section), network.node("bob"))?;
    network.fund(&[&alice, &bob], FUNDS_SATS).await?;
    network.open_channel(&alice, &bob, CHANNEL_SATS, CHANNEL_SATS / 2).await?;
    Ok([alice, bob])
}

/// What a node has answered.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    invoices: Vec<String>,
    payments: Vec<String>,
}

impl Answered {
    /// Makes invoices and pays as long as there are answers.
    pub(crate) async fn all(payer: &Node, payee: &Node) -> Self {
        let invoices = async {
            let mut made = Vec::new();
            while let Ok(payment_hash) = invoice(payer).await {
                made.push(payment_hash);
            }
            made
        };
        let payments = async {
            let mut begun = Vec::new();
            while let Ok(invoice) = payee.invoice(PAYMENT_MSAT).await
                && let Ok(payment_id) = payer.send(&invoice).await
            {
                while let Ok(payment) = payer.payment(&payment_id).await
                    && payment.status() == PaymentStatus::Pending
                {
                    sleep(ASK_INTERVAL).await;
                }
                begun.push(payment_id);
            }
            begun
        };
        let (invoices, payments) = tokio::join!(invoices, payments);
        Self { invoices, payments }
    }

    /// Checks that nothing of it is lost, and that the two still pay each other.
    pub(crate) async fn is_there(&self, payer: &Node, payee: &Node) -> Result<()> {
        ensure!(!self.invoices.is_empty() && !self.payments.is_empty(), "nothing was answered");
        for payment_hash in &self.invoices {
            ensure!(payer.payment(payment_hash).await?.status() == PaymentStatus::Pending);
        }
        payer.connect_to(payee).await?;
        for payment_id in &self.payments {
            payer.settled(payment_id).await?;
        }
        Network::at_rest(payer, payee).await?;
        for payment_id in &self.payments {
            let [sent, received] =
                [payer.payment(payment_id).await?, payee.payment(payment_id).await?];
            let ends = [sent.status(), received.status()];
            let has_arrived = ends == [PaymentStatus::Succeeded; 2];
            let has_failed = ends == [PaymentStatus::Failed, PaymentStatus::Pending];
            ensure!(has_arrived || has_failed, "{sent:?}, {received:?}");
        }
        payer.pays(payee, PAYMENT_MSAT).await?;
        payee.pays(payer, PAYMENT_MSAT).await.map(drop)
    }
}

/// What a daemon says that refuses to start.
pub(crate) async fn refused(network: &Network, node: &Node) -> Result<String> {
    let refused = refusal(network.tools(), &[&node.config_file().display().to_string()]).await?;
    Ok(refused.stdout + &refused.stderr)
}

/// Makes an invoice, and returns the id of its payment.
async fn invoice(node: &Node) -> Result<String> {
    let request = Bolt11ReceiveRequest { expiry_secs: 3_600, ..Default::default() };
    Ok(node.client().bolt11_receive(request).await?.payment_hash)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_network_to_the_database_delays_answers_and_loses_nothing() -> Result<()> {
    let (network, postgres) = (Network::start().await?, Postgres::start().await?);
    let proxy = TcpProxy::closed()?;
    proxy.open(postgres.address()).await?;
    let [alice, bob] = pair(&network, postgres.section_through(&proxy, "alice")).await?;

    for hold in [TcpProxy::hold, TcpProxy::hold_answers] {
        hold(&proxy);
        let mut asked = std::pin::pin!(invoice(&alice));
        let early = timeout(SHORT, &mut asked).await;
        ensure!(early.is_err(), "acknowledged before it was durable: {early:?}");
        proxy.release();
        alice.payment(&asked.await?).await?;
    }
    each_commit_is_made_once(&alice, &postgres, &proxy).await?;

    proxy.open_slowly(postgres.address(), DELAY).await?;
    alice.pays(&bob, PAYMENT_MSAT).await?;
    bob.pays(&alice, PAYMENT_MSAT).await?;
    alice.ensure_running().await?;
    network.stop().await
}

/// Loses the answers to commits that have gone through.
async fn each_commit_is_made_once(
    alice: &Node,
    postgres: &Postgres,
    proxy: &TcpProxy,
) -> Result<()> {
    let note = "CREATE TABLE written (row_id bigint);
                CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    INSERT INTO public.written VALUES (new.row_id);
                    RETURN NULL;
                END $$;
                CREATE TRIGGER note AFTER INSERT OR UPDATE ON alice.ldk_server_payments
                    FOR EACH ROW EXECUTE FUNCTION note()";
    postgres.query(note).await?;
    let mut made = 0;
    for lost in 1..=LOST_ANSWERS {
        proxy.lose_answer(END_OF_COMMIT);
        until("the answer to a commit is lost", PATIENCE, async || {
            alice.payment(&invoice(alice).await?).await?;
            made += 1;
            ensure!(proxy.lost_answers() == lost, "not yet");
            Ok(())
        })
        .await?;
    }
    let written = "SELECT concat(count(*), ' ', count(DISTINCT row_id)) FROM written";
    assert_eq!(postgres.query(written).await?, [format!("{made} {made}")]);
    let tried_again = alice.log().text().matches("a commit is tried again").count();
    assert!(tried_again >= LOST_ANSWERS as usize, "{tried_again}: {}", alice.log().tail());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_for_longer_than_its_lease_ends_and_loses_nothing() -> Result<()> {
    let (network, postgres) = (Network::start().await?, Postgres::start().await?);
    let proxy = TcpProxy::closed()?;
    proxy.open(postgres.address()).await?;
    let section = postgres.section_through(&proxy, "alice") + SHORT_LEASE;
    let [alice, bob] = pair(&network, section).await?;
    for hold in [TcpProxy::hold, TcpProxy::hold_answers] {
        let cut = async {
            alice.pays(&bob, PAYMENT_MSAT).await?;
            hold(&proxy);
            let status = alice.ended().await?;
            ensure!(status.code() == Some(74), "{status}: {}", alice.log().tail());
            anyhow::Ok(())
        };
        let (answered, cut) =
            timeout(PATIENCE, async { tokio::join!(Answered::all(&alice, &bob), cut) })
                .await
                .context("it still answers")?;
        cut?;
        proxy.close();
        let told = refused(&network, &alice).await?;
        ensure!(told.contains("PostgreSQL cannot be reached"), "{told}");

        proxy.release();
        proxy.open(postgres.address()).await?;
        alice.start_again().await?;
        answered.is_there(&alice, &bob).await?;
    }
    network.stop().await
}

/// What refuses each commit that writes a payment, as a database does that cannot.
fn refusal_of_commits(sqlstate: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             RAISE EXCEPTION 'not now' USING ERRCODE = '{sqlstate}';
         END $$;
         CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON alice.ldk_server_payments
             FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_can_renew_the_lease_and_not_commit_ends_the_node_as_well() -> Result<()> {
    let (network, postgres) = (Network::start().await?, Postgres::start().await?);
    let alice = network.node_with("alice", postgres.section("alice") + SHORT_LEASE).await?;
    let accept = "DROP TRIGGER refuse ON alice.ldk_server_payments";
    let mut made = Vec::new();
    // A serialization that failed, too little memory, an operator who intervenes, a full disk.
    for sqlstate in ["40001", "53200", "57P01", "53100"] {
        postgres.query(&refusal_of_commits(sqlstate)).await?;
        let mut asked = std::pin::pin!(invoice(&alice));
        let early = timeout(MOMENT, &mut asked).await;
        ensure!(early.is_err(), "acknowledged before it was durable: {early:?}");
        postgres.query(accept).await?;
        made.push(asked.await?);
    }
    postgres.query(&refusal_of_commits("53100")).await?;
    let (asked, ended) = tokio::join!(invoice(&alice), alice.ended());
    ensure!(asked.is_err() && ended?.code() == Some(74), "{asked:?}: {}", alice.log().tail());

    postgres.query(accept).await?;
    alice.start_again().await?;
    for payment_hash in &made {
        alice.payment(payment_hash).await?;
    }
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_the_database_ends_the_node_and_loses_nothing() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        print_uncaptured("not tested, as it needs root: a full disk of PostgreSQL");
        return Ok(());
    }
    let (network, postgres) = (Network::start().await?, Postgres::start_on_small_disk().await?);
    let [alice, bob] = pair(&network, postgres.section("alice") + SHORT_LEASE).await?;
    let fill = async {
        alice.pays(&bob, PAYMENT_MSAT).await?;
        postgres.fill().await
    };
    let (answered, filled) =
        timeout(PATIENCE, async { tokio::join!(Answered::all(&alice, &bob), fill) })
            .await
            .context("it still answers")?;
    filled?;
    assert_eq!(alice.ended().await?.code(), Some(74), "{}", alice.log().tail());

    postgres.clear().await?;
    postgres.restart().await?;
    alice.start_again().await?;
    answered.is_there(&alice, &bob).await?;
    network.stop().await
}
