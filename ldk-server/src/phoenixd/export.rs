//! `export`: what has changed the balance of the channels, as CSV in a file.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat};
use futures_util::StreamExt as _;
use ldk_server_grpc::api::ExportPaymentsRequest;
use ldk_server_grpc::types::{BooksAccount, BooksEntry, BooksEntryKind};

use super::Call;
use super::answer::{Answer, Refusal};
use super::ids::uuid;
use super::params::Params;
use crate::api::rpc;
use crate::clock::unix_secs;
use crate::error::Error;

const DIR: &str = "exports";
/// Older ones make room, so that the disk is not filled by asking.
const KEPT: usize = 10;
/// Bytes that are written at once.
const CHUNK_BYTES: usize = 256 * 1024;
const HEADER: &str = "date,id,type,amount_msat,fee_credit_msat,mining_fee_sat,service_fee_msat,\
                      payment_hash,tx_id\n";

pub(super) async fn export(call: &Call, params: &Params) -> Result<Answer, Refusal> {
    let secs = |name| Ok::<_, Refusal>(params.number(name)?.map(|ms| ms / 1_000));
    let request = ExportPaymentsRequest {
        from: secs("from")?,
        before: secs("to")?.map(|to| to.saturating_add(1)),
    };
    let Ok(_turn) = call.phoenixd.0.exporting.try_acquire() else {
        let reason = "another export is being made; try again later".to_owned();
        return Err(Error::ResourceExhausted(reason).into());
    };
    let mut entries = call.ask(rpc::ExportPayments, request).await?.messages;
    let dir = call.phoenixd.0.network_dir.join(DIR);
    let path = dir.join(format!("export-{}.csv", unix_secs()));
    let mut text = HEADER.to_owned();
    begin(call, dir, path.clone()).await?;
    while let Some(entry) = entries.next().await {
        text.extend(row(&entry?));
        if text.len() > CHUNK_BYTES {
            append(call, &path, std::mem::take(&mut text)).await?;
        }
    }
    append(call, &path, text).await?;
    Ok(Answer::Text(format!("payment history has been exported to {}", path.display())))
}

/// Makes an empty file, and removes old ones.
async fn begin(call: &Call, dir: PathBuf, path: PathBuf) -> Result<(), Error> {
    let make = move || {
        make_dir(&dir)?;
        let mut files: Vec<_> =
            fs::read_dir(&dir)?.map(|file| Ok(file?.path())).collect::<io::Result<_>>()?;
        // Their names have the time.
        files.sort();
        for old in files.iter().rev().skip(KEPT - 1) {
            fs::remove_file(old)?;
        }
        open(&path, true).map(drop)
    };
    call.work("export", move |_| make().map_err(Error::internal)).await
}

async fn append(call: &Call, path: &Path, text: String) -> Result<(), Error> {
    let path = path.to_owned();
    let write = move || open(&path, false)?.write_all(text.as_bytes());
    call.work("export", move |_| write().map_err(Error::internal)).await
}

fn make_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(dir)
}

fn open(path: &Path, is_new: bool) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.create(true).append(!is_new).write(true).truncate(is_new);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The line of an entry. phoenixd has no wallet, so that only the channels count.
fn row(entry: &BooksEntry) -> Option<String> {
    if entry.account() != BooksAccount::Channels {
        return None;
    }
    let time = DateTime::from_timestamp(i64::try_from(entry.time).ok()?, 0)?;
    let date = time.to_rfc3339_opts(SecondsFormat::Secs, true);
    let amount_msat = i128::from(entry.credit_msat) - i128::from(entry.debit_msat);
    let is_payment =
        matches!(entry.kind(), BooksEntryKind::PaymentReceived | BooksEntryKind::PaymentSent);
    let fee_msat = entry.fee_msat.unwrap_or_default();
    let (mining_fee_sat, service_fee_msat) =
        if is_payment { (0, fee_msat) } else { (fee_msat / 1_000, 0) };
    let id = if entry.payment_id.is_empty() { &entry.txid } else { &entry.payment_id };
    let (id, kind) = (if id.is_empty() { String::new() } else { uuid(id) }, kind(entry));
    let (payment_hash, txid) = (&entry.payment_hash, &entry.txid);
    Some(format!(
        "{date},{id},{kind},{amount_msat},0,{mining_fee_sat},{service_fee_msat},{payment_hash},{txid}\n"
    ))
}

/// In phoenixd's words, as far as it has any.
fn kind(entry: &BooksEntry) -> &'static str {
    let is_debit = entry.debit_msat > entry.credit_msat;
    match entry.kind() {
        BooksEntryKind::PaymentReceived => "lightning_received",
        BooksEntryKind::PaymentSent => "lightning_sent",
        BooksEntryKind::ChannelClose => "channel_close",
        BooksEntryKind::Forward => "forward",
        _ if is_debit => "swap_out",
        _ => "swap_in",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: BooksEntryKind, credit_msat: u64, debit_msat: u64) -> BooksEntry {
        BooksEntry {
            time: 1_700_000_000,
            account: BooksAccount::Channels.into(),
            kind: kind.into(),
            credit_msat,
            debit_msat,
            ..Default::default()
        }
    }

    #[test]
    fn a_line_has_phoenixds_columns() {
        let sent = BooksEntry {
            fee_msat: Some(7),
            payment_id: "00112233445566778899aabbccddeeff".repeat(2),
            payment_hash: "aa".to_owned(),
            ..entry(BooksEntryKind::PaymentSent, 0, 1_007)
        };
        let expected = "2023-11-14T22:13:20Z,00112233-4455-6677-8899-aabbccddeeff,lightning_sent,\
                        -1007,0,0,7,aa,\n";
        assert_eq!(row(&sent).unwrap(), expected);
        assert_eq!(row(&sent).unwrap().matches(',').count(), HEADER.matches(',').count());
        let opened =
            BooksEntry { fee_msat: Some(2_500), ..entry(BooksEntryKind::ChannelOpen, 9, 0) };
        assert_eq!(row(&opened).unwrap(), "2023-11-14T22:13:20Z,,swap_in,9,0,2,0,,\n");
    }

    #[test]
    fn the_wallet_is_left_out() {
        let mut deposit = entry(BooksEntryKind::Deposit, 1, 0);
        deposit.account = BooksAccount::Wallet.into();
        assert_eq!(row(&deposit), None);
        assert_eq!(kind(&entry(BooksEntryKind::Splice, 0, 1)), "swap_out");
        assert_eq!(kind(&entry(BooksEntryKind::Splice, 1, 0)), "swap_in");
    }
}
