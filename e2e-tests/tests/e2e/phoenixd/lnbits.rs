//! LNbits, with its class for phoenixd as it is.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::other_languages;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::Pair;
use super::client::text;

const PATIENCE: Duration = Duration::from_secs(90);

/// The program, which does what it is told.
struct LnBits {
    _process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl LnBits {
    async fn start(pair: &Pair) -> Result<Self> {
        let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let python = other_languages::python_for_client(tmp, "lnbits").await?;
        let data = pair.network.dir().join("lnbits");
        std::fs::create_dir_all(&data)?;
        let program =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("python/phoenixd/lnbits_wallet.py");
        let mut process = Command::new(python)
            .arg(program)
            .current_dir(&data)
            .env("LNBITS_DATA_FOLDER", &data)
            .env("PHOENIXD_API_ENDPOINT", format!("http://{}/", pair.phoenix.address))
            .env("PHOENIXD_API_PASSWORD", &pair.phoenix.full)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let input = process.stdin.take().context("no input")?;
        let output = BufReader::new(process.stdout.take().context("no output")?).lines();
        let mut started = Self { _process: process, input, output };
        ensure!(started.said().await? == json!({"started": true}));
        Ok(started)
    }

    async fn ask(&mut self, what: Value) -> Result<()> {
        self.input.write_all(format!("{what}\n").as_bytes()).await?;
        Ok(self.input.flush().await?)
    }

    /// The next line that is JSON: its libraries print others.
    async fn said(&mut self) -> Result<Value> {
        loop {
            let line = timeout(PATIENCE, self.output.next_line()).await.context("it is silent")?;
            let line = line?.context("it has ended")?;
            if line.starts_with('{') {
                return Ok(serde_json::from_str(&line)?);
            }
        }
    }

    async fn does(&mut self, what: Value) -> Result<Value> {
        self.ask(what).await?;
        self.said().await
    }
}

pub(super) async fn its_wallet_is_paid_and_pays(pair: &Pair) -> Result<()> {
    let Pair { alice, bob, phoenix, .. } = pair;
    let mut lnbits = LnBits::start(pair).await?;
    let status = lnbits.does(json!({"do": "status"})).await?;
    let balance = phoenix.get("/getbalance").await?.json()?["balanceSat"].as_u64();
    let balance_msat = json!(balance.map(|sats| sats * 1_000));
    let expected = json!({
        "error": null,
        "balance_msat": balance_msat,
        "id": alice.id(),
        "node_balance_msat": balance_msat,
        "active_channels": 1,
        "chain": "regtest",
    });
    assert_eq!(status, expected);

    let made = lnbits.does(json!({"do": "invoice", "sats": 1_000, "memo": "tea"})).await?;
    ensure!(made["ok"] == true && made["preimage"].is_string(), "{made}");
    assert_eq!(lnbits.does(json!({"do": "wait"})).await?, json!({"connected": true}));
    bob.settled(&bob.send(text(&made, "bolt11")?).await?).await?;
    let told = lnbits.said().await?;
    assert_eq!(told["payment_hash"], made["payment_hash"]);
    ensure!(told["paid"] == true && told["preimage"] == made["preimage"], "{told}");

    let bolt11 = bob.invoice(2_000_000).await?;
    let paid = lnbits.does(json!({"do": "pay", "bolt11": bolt11})).await?;
    ensure!(paid["ok"] == true && paid["fee_msat"] == 0, "{paid}");
    let hash = json!({"do": "payment", "payment_hash": paid["payment_hash"]});
    let status = lnbits.does(hash).await?;
    assert_eq!(status, json!({"paid": true, "preimage": paid["preimage"]}));

    let too_much = bob.invoice(900_000_000).await?;
    let failed = lnbits.does(json!({"do": "pay", "bolt11": too_much})).await?;
    ensure!(failed["ok"] != true && text(&failed, "error")?.contains("not enough"), "{failed}");
    let unknown = json!({"do": "payment", "payment_hash": "00".repeat(32)});
    assert_eq!(lnbits.does(unknown).await?["paid"], false, "it was never sent");

    let history = lnbits.does(json!({"do": "history"})).await?;
    assert_eq!(history["invoices"], json!([[made["payment_hash"], false]]));
    ensure!(history["payments"][0] == json!([paid["payment_hash"], false]), "{history}");
    ensure!(text(&history, "offer")?.starts_with("lno1"), "{history}");
    Ok(())
}
