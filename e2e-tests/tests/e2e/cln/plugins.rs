//! Programs of Core Lightning's plugin protocol, made with the package `pyln-client`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::{Node, other_languages, until};
use serde_json::{Value, json};

use super::client::{Pyln, Raw};
use crate::cln_rest::Rest;

const PATIENCE: Duration = Duration::from_secs(60);
/// The calls that a plugin may have to answer at once.
const MOST: usize = 64;

/// Two plugins in this directory: one that the node runs, and one that it does not.
pub(super) async fn write(dir: &Path) -> Result<[PathBuf; 2]> {
    let python = other_languages::python_for_cln(Path::new(env!("CARGO_TARGET_TMPDIR"))).await?;
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/cln/plugin.py");
    let text = format!("#!{}\n{}", python.display(), fs::read_to_string(program)?);
    let paths = [dir.join("plugin.py"), dir.join("hook.py")];
    for path in &paths {
        fs::write(path, &text)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(paths)
}

/// The lines of the section `cln` that start them.
pub(super) fn lines([plugin, with_hook]: &[PathBuf; 2]) -> String {
    format!(
        "plugins = [\"{}\", \"{}\"]\nplugin_options = [\"greeting=Ciao\"]\n",
        plugin.display(),
        with_hook.display()
    )
}

/// Calls a method with these parameters as they are, without a client's own ideas of it.
async fn raw(socket: &Path, method: &str, params: Value) -> Result<Value> {
    let mut raw = Raw::connect(socket).await?;
    let request = json!({"jsonrpc": "2.0", "id": "a", "method": method, "params": params});
    raw.send(request.to_string().as_bytes()).await?;
    raw.reply().await?.context("no reply")
}

async fn result(socket: &Path, method: &str, params: Value) -> Result<Value> {
    let mut reply = raw(socket, method, params).await?;
    ensure!(reply.get("error").is_none(), "{method}: {reply}");
    Ok(reply["result"].take())
}

async fn error(socket: &Path, method: &str) -> Result<(i64, String)> {
    let reply = raw(socket, method, json!([])).await?;
    let code = reply["error"]["code"].as_i64().with_context(|| format!("{method}: {reply}"))?;
    Ok((code, reply["error"]["message"].as_str().unwrap_or_default().to_owned()))
}

async fn greets(socket: &Path) -> Result<()> {
    until("the plugin greets", PATIENCE, async || {
        let greeting = result(socket, "hello", json!(["you"])).await?;
        ensure!(greeting == "Ciao you", "{greeting}");
        Ok(())
    })
    .await
}

pub(super) async fn methods_are_called_on_every_door(
    pyln: &Pyln,
    rest: &Rest,
    alice: &Node,
) -> Result<()> {
    let socket = pyln.socket();
    greets(socket).await?;
    let named = result(socket, "hello", json!({"name": "there"})).await?;
    assert_eq!(named, "Ciao there");
    assert_eq!(result(socket, "hello", Value::Null).await?, "Ciao world");
    let help = result(socket, "help", json!(["hello"])).await?;
    assert_eq!(help["help"][0]["command"], "hello [name]");
    // It has called the node.
    let whose = result(socket, "whose", json!({})).await?;
    assert_eq!(whose["id"], alice.id());
    let failed = error(socket, "fails").await?;
    assert!(failed.1.contains("of its own accord"), "{failed:?}");

    let greeted = rest.answer(rest.call(rest.admin(), "hello", json!({"name": "you"}))).await?;
    assert_eq!(greeted, (201, json!("Ciao you")));
    let made =
        |restrictions: Value| pyln.result("createrune", json!({"restrictions": restrictions}));
    for (restrictions, status) in [
        (json!([["method=hello"]]), 201),
        (json!([["method=hello"], ["pname_name=you"]]), 201),
        (json!([["method=hello"], ["pname_name=me"]]), 401),
        (json!([["method=getinfo"]]), 401),
        (json!("readonly"), 401),
    ] {
        let rune = made(restrictions.clone()).await?;
        let rune = rune["rune"].as_str().context("no rune")?;
        let answer = rest.answer(rest.call(rune, "hello", json!({"name": "you"}))).await?;
        assert_eq!(answer.0, status, "{restrictions}: {}", answer.1);
    }
    Ok(())
}

pub(super) async fn who_has_to_be_asked_is_not_started(alice: &Node) -> Result<()> {
    alice.log().says("htlc_accepted, which this node does not have").await
}

pub(super) async fn they_are_told_what_happens(
    pyln: &Pyln,
    alice: &Node,
    bob: &Node,
) -> Result<()> {
    let label = json!({"amount_msat": 5_000_000, "label": "cake", "description": "cake"});
    let invoice = pyln.result("invoice", label).await?;
    let invoice = invoice["bolt11"].as_str().context("no invoice")?;
    bob.settled(&bob.send(invoice).await?).await?;
    bob.stop().await?;
    bob.start_again().await?;
    alice.connect_to(bob).await?;
    until("the plugin was told", PATIENCE, async || {
        let told = result(pyln.socket(), "told", json!([])).await?;
        let told = told.as_array().context("no list")?;
        for notice in [json!({"invoice_payment": "cake"}), json!({"connect": bob.id()})] {
            ensure!(told.contains(&notice), "no {notice} in {told:?}");
        }
        Ok(())
    })
    .await
}

/// A connection with a call that the plugin never answers.
async fn hang(socket: &Path) -> Result<Raw> {
    let mut raw = Raw::connect(socket).await?;
    raw.send(br#"{"jsonrpc":"2.0","id":1,"method":"hangs","params":[]}"#).await?;
    Ok(raw)
}

pub(super) async fn one_that_hangs_holds_up_nobody(pyln: &Pyln) -> Result<()> {
    let socket = pyln.socket();
    let mut waiting = Vec::new();
    for _ in 0..MOST {
        waiting.push(hang(socket).await?);
    }
    until("there are as many calls as there may be", PATIENCE, async || {
        let refused = error(socket, "hello").await;
        if refused.is_err() {
            // One of them has found its place taken by the call before this one.
            waiting.push(hang(socket).await?);
        }
        let (code, reason) = refused?;
        ensure!(code == -3 && reason.contains("64 calls"), "{code} {reason}");
        Ok(())
    })
    .await?;
    pyln.result("getinfo", json!({})).await?;
    // Their places are free when nobody waits any more.
    drop(waiting);
    greets(socket).await
}

pub(super) async fn one_that_ends_is_started_again(pyln: &Pyln) -> Result<()> {
    let socket = pyln.socket();
    let before = result(socket, "whose", json!([])).await?;
    let crashed = error(socket, "crashes").await?;
    assert_eq!(crashed.0, -4, "{crashed:?}");
    greets(socket).await?;
    let after = result(socket, "whose", json!([])).await?;
    assert_ne!(before["pid"], after["pid"]);
    Ok(())
}

/// It ends with the node, even if it reads nothing.
pub(super) async fn they_end_with_the_node(pyln: &Pyln, alice: &Node) -> Result<()> {
    let socket = pyln.socket();
    let whose = result(socket, "whose", json!([])).await?;
    let process = PathBuf::from(format!("/proc/{}", whose["pid"]));
    ensure!(process.exists(), "there is no {}", process.display());
    let mut raw = Raw::connect(socket).await?;
    raw.send(br#"{"jsonrpc":"2.0","id":1,"method":"stops-reading","params":[]}"#).await?;
    alice.stop().await?;
    ensure!(!process.exists(), "{} is still there", process.display());
    Ok(())
}
