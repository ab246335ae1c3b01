//! Plugins that are asked before payments are claimed, and before calls are made.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Network, Node, other_languages, until};
use ldk_server_client::api::{Bolt11ReceiveViaJitChannelRequest, ListInvoicesRequest};
use ldk_server_client::types::{InvoiceKind, InvoiceState, PaymentStatus};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::client::{Pyln, Raw};
use crate::cln_rest::Rest;

const PATIENCE: Duration = Duration::from_secs(60);
/// How long the end of a node may take at most while a plugin says nothing.
const LONGEST_STOP: Duration = Duration::from_secs(12);
/// As long as the blocks take before which it is.
const UNTIL_DEADLINE: Duration = Duration::from_secs(180);
const AMOUNT_MSAT: u64 = 10_000_000;

/// A plugin, in a directory of its own.
pub(super) struct Deciding(PathBuf);

impl Deciding {
    /// Writes one of this name.
    pub(super) async fn write(dir: &Path, name: &str, mode: &str) -> Result<Self> {
        let python =
            other_languages::python_for_cln(Path::new(env!("CARGO_TARGET_TMPDIR"))).await?;
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/cln/hooks.py");
        let text = format!("#!{}\n{}", python.display(), fs::read_to_string(program)?);
        let dir = dir.join(name);
        fs::create_dir(&dir)?;
        let plugin = Self(dir);
        plugin.set(mode)?;
        // All have this name, by which they must not be taken for each other.
        fs::write(plugin.path(), text)?;
        fs::set_permissions(plugin.path(), fs::Permissions::from_mode(0o700))?;
        Ok(plugin)
    }

    fn path(&self) -> PathBuf {
        self.0.join("hooks.py")
    }

    /// What it does from now on.
    fn set(&self, mode: &str) -> Result<()> {
        fs::write(self.0.join("mode.new"), mode)?;
        Ok(fs::rename(self.0.join("mode.new"), self.0.join("mode"))?)
    }

    /// What it was asked.
    fn asked(&self) -> Result<Vec<Value>> {
        let lines = fs::read_to_string(self.0.join("asked")).unwrap_or_default();
        let whole = lines.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        Ok(whole.map(serde_json::from_str).collect::<Result<_, _>>()?)
    }

    /// The payments with this label that it was asked about.
    fn payments(&self, label: &str) -> Result<Vec<Value>> {
        let asked = self.asked()?;
        Ok(asked.into_iter().filter(|payment| payment["label"] == label).collect())
    }

    async fn is_asked_about(&self, label: &str, times: usize) -> Result<()> {
        until("the plugin is asked", PATIENCE, async || {
            let asked = self.payments(label)?.len();
            ensure!(asked == times, "{asked} times about {label}");
            Ok(())
        })
        .await
    }

    fn kill(&self) -> Result<()> {
        let pid: i32 = fs::read_to_string(self.0.join("pid"))?.parse()?;
        let pid = Pid::from_raw(pid).context("no process")?;
        Ok(kill_process(pid, Signal::KILL)?)
    }
}

/// The lines of the section `cln` that start them, in this order.
pub(super) fn lines(plugins: &[Deciding]) -> String {
    let paths: Vec<_> =
        plugins.iter().map(|plugin| format!("\"{}\"", plugin.path().display())).collect();
    format!("plugins = [{}]\nplugin_options = [\"misspelt=1\"]\n", paths.join(", "))
}

/// Calls a method with these parameters as they are.
async fn raw(socket: &Path, method: &str, params: Value) -> Result<Value> {
    let mut raw = Raw::connect(socket).await?;
    let request = json!({"jsonrpc": "2.0", "id": "a", "method": method, "params": params});
    raw.send(request.to_string().as_bytes()).await?;
    raw.reply().await?.context("no reply")
}

async fn bolt11(pyln: &Pyln, label: &str) -> Result<String> {
    let invoice = json!({"amount_msat": AMOUNT_MSAT, "label": label, "description": label});
    let made = pyln.result("invoice", invoice).await?;
    Ok(made["bolt11"].as_str().context("no invoice")?.to_owned())
}

async fn status(pyln: &Pyln, label: &str) -> Result<Value> {
    let mut listed = pyln.result("listinvoices", json!({ "label": label })).await?;
    Ok(listed["invoices"][0]["status"].take())
}

async fn becomes(pyln: &Pyln, label: &str, expected: &str) -> Result<()> {
    until("the invoice has the status", PATIENCE, async || {
        let status = status(pyln, label).await?;
        ensure!(status == expected, "{label} is {status}");
        Ok(())
    })
    .await
}

/// Begins to pay an invoice with this label.
async fn begin(pyln: &Pyln, bob: &Node, label: &str) -> Result<String> {
    bob.send(&bolt11(pyln, label).await?).await
}

/// Waits for what comes of a payment.
async fn ends(payer: &Node, id: &str, expected: PaymentStatus) -> Result<()> {
    let status = payer.settled(id).await?.status();
    ensure!(status == expected, "payment {id}: {status:?}");
    Ok(())
}

async fn is_paid(payer: &Node, id: &str) -> Result<()> {
    ends(payer, id, PaymentStatus::Succeeded).await
}

async fn is_sent_back(payer: &Node, id: &str) -> Result<()> {
    ends(payer, id, PaymentStatus::Failed).await
}

pub(super) async fn an_accepted_payment_is_claimed(
    pyln: &Pyln,
    [alice, bob]: [&Node; 2],
    plugins: &[Deciding],
) -> Result<()> {
    is_paid(bob, &begin(pyln, bob, "cake").await?).await?;
    for plugin in plugins {
        let [asked] = &plugin.payments("cake")?[..] else { anyhow::bail!("not asked once") };
        assert_eq!(asked["msat"], AMOUNT_MSAT);
        assert_eq!(asked["preimage"].as_str().map(str::len), Some(64));
    }
    becomes(pyln, "cake", "paid").await?;
    // An invoice of the node's own interface, without a label.
    let invoice = alice.invoice(AMOUNT_MSAT).await?;
    let id = bob.send(&invoice).await?;
    is_paid(bob, &id).await?;
    for plugin in plugins {
        assert_eq!(plugin.payments(&id)?.len(), 1, "the label is the payment hash");
    }
    Ok(())
}

pub(super) async fn a_rejected_payment_is_sent_back(
    pyln: &Pyln,
    bob: &Node,
    [first, second]: &[Deciding; 2],
) -> Result<()> {
    second.set("reject")?;
    is_sent_back(bob, &begin(pyln, bob, "pie").await?).await?;
    assert_eq!((first.payments("pie")?.len(), second.payments("pie")?.len()), (1, 1));
    becomes(pyln, "pie", "expired").await?;
    second.set("accept")?;
    first.set("fail")?;
    is_sent_back(bob, &begin(pyln, bob, "tart").await?).await?;
    // Who comes first has decided.
    assert_eq!((first.payments("tart")?.len(), second.payments("tart")?.len()), (1, 0));
    first.set("accept")
}

pub(super) async fn a_payment_waits_for_a_plugin_that_says_nothing(
    pyln: &Pyln,
    bob: &Node,
    [first, second]: &[Deciding; 2],
) -> Result<()> {
    first.set("hang")?;
    let slow = begin(pyln, bob, "slow 1").await?;
    first.is_asked_about("slow 1", 1).await?;
    // It holds up no other.
    is_paid(bob, &begin(pyln, bob, "quick").await?).await?;
    assert_eq!(status(pyln, "slow 1").await?, "unpaid");
    assert_eq!(second.payments("slow 1")?.len(), 0);
    first.set("accept")?;
    first.kill()?;
    is_paid(bob, &slow).await?;
    assert_eq!((first.payments("slow 1")?.len(), second.payments("slow 1")?.len()), (2, 1));
    Ok(())
}

/// Whatever ends the node, plugins are asked again.
pub(super) async fn nothing_is_claimed_unasked_after_a_restart(
    pyln: &Pyln,
    [alice, bob]: [&Node; 2],
    [first, _]: &[Deciding; 2],
) -> Result<()> {
    // The second does not even notice that the node stops.
    for (label, mode, is_killed) in [("slow 2", "hang", true), ("slow 3", "block", false)] {
        first.set(mode)?;
        let slow = begin(pyln, bob, label).await?;
        first.is_asked_about(label, 1).await?;
        let begun = Instant::now();
        if is_killed {
            alice.kill().await?;
        } else {
            alice.stop().await?;
            ensure!(begun.elapsed() < LONGEST_STOP, "the stop took {:?}", begun.elapsed());
        }
        alice.start_again().await?;
        bob.connect_to(alice).await?;
        first.is_asked_about(label, 2).await?;
        assert_eq!(bob.payment(&slow).await?.status(), PaymentStatus::Pending);
        first.set("accept")?;
        first.kill()?;
        is_paid(bob, &slow).await?;
        first.is_asked_about(label, 3).await?;
    }
    Ok(())
}

/// However long a plugin says nothing.
pub(super) async fn a_payment_goes_back_before_its_deadline(
    pyln: &Pyln,
    network: &Network,
    bob: &Node,
    [first, second]: &[Deciding; 2],
) -> Result<()> {
    first.set("hang")?;
    let slow = begin(pyln, bob, "slow 4").await?;
    first.is_asked_about("slow 4", 1).await?;
    until("the payment goes back", UNTIL_DEADLINE, async || {
        // Few enough that the node acts before the deadline.
        network.mine(4).await?;
        let status = bob.payment(&slow).await?.status();
        ensure!(status == PaymentStatus::Failed, "{status:?}");
        Ok(())
    })
    .await?;
    becomes(pyln, "slow 4", "expired").await?;
    assert_eq!((first.payments("slow 4")?.len(), second.payments("slow 4")?.len()), (1, 0));
    first.set("accept")?;
    is_paid(bob, &begin(pyln, bob, "late").await?).await
}

/// A payment that a liquidity provider opens a channel for is held, too.
pub(super) async fn payments_through_new_channels_are_decided_on(
    payer: &Node,
    client: &Node,
    plugin: &Deciding,
) -> Result<()> {
    for (mode, expected) in
        [("accept", PaymentStatus::Succeeded), ("reject", PaymentStatus::Failed)]
    {
        plugin.set(mode)?;
        let request = Bolt11ReceiveViaJitChannelRequest {
            amount_msat: 5 * AMOUNT_MSAT,
            expiry_secs: 3_600,
            ..Default::default()
        };
        let made = client.client().bolt11_receive_via_jit_channel(request).await?;
        let id = payer.send(&made.invoice).await?;
        ends(payer, &id, expected).await?;
        assert_eq!(plugin.payments(&id)?.len(), 1);
        let state = match expected {
            PaymentStatus::Succeeded => InvoiceState::Paid,
            _ => InvoiceState::Cancelled,
        };
        until("the invoice has its state", PATIENCE, async || {
            let list = client.client().list_invoices(ListInvoicesRequest::default()).await?;
            let invoice = list.invoices.first().context("no invoice")?;
            ensure!(invoice.kind() == InvoiceKind::Bolt11Jit, "{invoice:?}");
            ensure!(invoice.state() == state, "{invoice:?}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

pub(super) async fn a_call_is_made_or_replaced_or_answered(
    pyln: &Pyln,
    [first, second]: &[Deciding; 2],
) -> Result<()> {
    let socket = pyln.socket();
    let info = pyln.result("getinfo", json!({})).await?;
    // Those that come after are asked about what is in its place.
    let replaced = raw(socket, "feerates", json!(["perkw"])).await?;
    assert_eq!(replaced["result"]["id"], info["id"], "{replaced}");
    let told = first.asked()?.pop().context("nothing")?;
    assert_eq!(told, json!({"method": "feerates", "params": ["perkw"]}));
    let told = second.asked()?.pop().context("nothing")?;
    assert_eq!(told, json!({"method": "getinfo", "params": {}}));
    let returned = raw(socket, "listpeers", json!({})).await?;
    assert_eq!(returned["result"]["peers"], "none of your business");
    let failed = raw(socket, "listfunds", json!({})).await?;
    assert_eq!(failed["error"], json!({"code": 7, "message": "not today"}));
    Ok(())
}

/// What a caller may not do it may not have done in place of something else.
pub(super) async fn a_call_in_the_place_of_another_must_be_allowed(
    pyln: &Pyln,
    rest: &Rest,
) -> Result<()> {
    for (restrictions, status) in [
        (json!([["method=feerates"]]), 401),
        (json!([["method=feerates", "method=getinfo"]]), 201),
        (json!([["method=getinfo"]]), 401),
    ] {
        let made = pyln.result("createrune", json!({ "restrictions": restrictions })).await?;
        let rune = made["rune"].as_str().context("no rune")?;
        let call = rest.call(rune, "feerates", json!({"style": "perkw"}));
        let answer = rest.answer(call).await?;
        assert_eq!(answer.0, status, "{restrictions}: {}", answer.1);
    }
    Ok(())
}

/// A plugin's own calls are asked of nobody: it calls while it is being asked.
pub(super) async fn plugins_do_not_wait_for_themselves(pyln: &Pyln) -> Result<()> {
    let begun = Instant::now();
    let listed = raw(pyln.socket(), "listchannels", json!({})).await?;
    assert_eq!(listed["result"]["channels"], json!([]), "{listed}");
    ensure!(begun.elapsed() < Duration::from_secs(20), "it took {:?}", begun.elapsed());
    Ok(())
}

pub(super) async fn without_an_answer_a_call_is_not_made(pyln: &Pyln) -> Result<()> {
    let refused = raw(pyln.socket(), "listnodes", json!({})).await?;
    assert_eq!(refused["error"]["code"], -3, "{refused}");
    let reason = refused["error"]["message"].as_str().unwrap_or_default();
    ensure!(reason.contains("not made") && reason.contains("30 s"), "{reason}");
    Ok(())
}

pub(super) async fn options_that_no_plugin_has_are_named(alice: &Node) -> Result<()> {
    alice.log().says("no plugin has this option").await
}
