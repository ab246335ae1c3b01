//! The coins of the on-chain wallet, and its transactions as they were sent.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use bdk_wallet::chain::{ChainPosition, ConfirmationBlockTime};
use ldk_node::bitcoin::{Network, OutPoint, ScriptBuf, Transaction, TxOut, Txid};
use ldk_node::lightning::io;

use super::chain::{self, Records};
use crate::store::Store;

/// How many blocks make a coin that was mined fit to be spent.
const COINBASE_MATURITY: u32 = 100;

/// Where a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The height of its block, if it is in one.
    pub height: Option<u32>,
    /// The time of its block, or when it was first seen, in Unix seconds.
    pub time: u64,
}

/// An output that pays to the wallet.
#[derive(Clone, Debug)]
pub struct Coin {
    /// Where it is.
    pub outpoint: OutPoint,
    /// What is in it, in satoshis.
    pub value_sats: u64,
    /// What can spend it.
    pub script: ScriptBuf,
    /// The transaction that made it.
    pub made: Position,
    /// The transaction that has spent it.
    pub spent: Option<(Txid, Position)>,
    /// Whether it was mined so lately that it cannot be spent yet.
    pub is_immature: bool,
}

/// A transaction of the wallet that is in a block, or may come into one.
#[derive(Clone, Debug)]
pub struct WalletTransaction {
    /// The transaction.
    pub transaction: Arc<Transaction>,
    /// Where it is.
    pub position: Position,
    /// The fee, in satoshis, if all that it spends is the wallet's.
    pub own_fee_sats: Option<u64>,
}

/// What the wallet has and had.
#[derive(Default)]
pub struct Coins {
    /// All coins, those that are spent too.
    pub all: Vec<Coin>,
    /// All transactions.
    pub transactions: Vec<WalletTransaction>,
}

/// The coins as they were read last. The wallet is made anew when its records have changed, which is when
/// there is a block or a transaction: to compare them takes no time, to derive the addresses does.
#[derive(Default)]
pub(super) struct LastCoins(Mutex<Option<(Records, Arc<Coins>)>>);

impl LastCoins {
    /// Reads them.
    pub(super) fn read(&self, store: &Store, network: Network) -> io::Result<Arc<Coins>> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let records = Records::read(store)?;
        if let Some((same, coins)) = &*last
            && *same == records
        {
            return Ok(Arc::clone(coins));
        }
        let coins = Arc::new(Coins::of(&records, network)?);
        *last = Some((records, Arc::clone(&coins)));
        Ok(coins)
    }
}

impl Coins {
    fn of(records: &Records, network: Network) -> io::Result<Self> {
        let Some(wallet) = chain::wallet(records, network)? else { return Ok(Self::default()) };
        let tip = wallet.latest_checkpoint().height();
        let mut transactions: Vec<_> = wallet
            .transactions()
            .map(|found| WalletTransaction {
                transaction: Arc::clone(&found.tx_node.tx),
                position: position(&found.chain_position),
                own_fee_sats: None,
            })
            .collect();
        transactions
            .sort_by_key(|each| (each.position.height.unwrap_or(u32::MAX), each.position.time));
        let outputs: Vec<_> = wallet.list_output().collect();
        let values: HashMap<_, _> =
            outputs.iter().map(|output| (output.outpoint, output.txout.value.to_sat())).collect();
        let mut spent = HashMap::new();
        let mut mined = HashMap::new();
        for each in &mut transactions {
            each.own_fee_sats = own_fee_sats(&each.transaction, &values);
            let txid = each.transaction.compute_txid();
            for input in &each.transaction.input {
                spent.insert(input.previous_output, (txid, each.position));
            }
            if each.transaction.is_coinbase() {
                mined.insert(txid, each.position.height);
            }
        }
        let coins = outputs.into_iter().map(|output| Coin {
            is_immature: mined.get(&output.outpoint.txid).is_some_and(|height| {
                height.is_none_or(|height| tip < height.saturating_add(COINBASE_MATURITY - 1))
            }),
            spent: spent.get(&output.outpoint).copied(),
            made: position(&output.chain_position),
            outpoint: output.outpoint,
            value_sats: output.txout.value.to_sat(),
            script: output.txout.script_pubkey,
        });
        let mut all: Vec<_> = coins.collect();
        all.sort_by_key(|coin| (coin.made.height.unwrap_or(u32::MAX), coin.outpoint));
        Ok(Self { all, transactions })
    }
}

fn own_fee_sats(transaction: &Transaction, values: &HashMap<OutPoint, u64>) -> Option<u64> {
    let inputs = transaction.input.iter().map(|input| values.get(&input.previous_output));
    let spent_sats = inputs.sum::<Option<u64>>()?;
    let paid_sats = transaction.output.iter().map(|output| output.value.to_sat()).sum();
    spent_sats.checked_sub(paid_sats)
}

fn position(position: &ChainPosition<ConfirmationBlockTime>) -> Position {
    match position {
        ChainPosition::Confirmed { anchor, .. } => {
            Position { height: Some(anchor.block_id.height), time: anchor.confirmation_time }
        },
        ChainPosition::Unconfirmed { first_seen, last_seen } => {
            Position { height: None, time: first_seen.or(*last_seen).unwrap_or_default() }
        },
    }
}

/// The transactions in the record of the wallet, whether or not they can still be mined.
pub struct KnownTransactions(BTreeMap<Txid, Arc<Transaction>>);

impl KnownTransactions {
    /// Reads them.
    pub fn read(store: &Store) -> io::Result<Self> {
        let known = chain::known_transactions(store)?;
        Ok(Self(known.into_iter().map(|each| (each.compute_txid(), each)).collect()))
    }

    /// The one with this id.
    pub fn get(&self, txid: &Txid) -> Option<&Arc<Transaction>> {
        self.0.get(txid)
    }

    /// One that spends this output.
    pub fn spending(&self, outpoint: &OutPoint) -> Option<&Arc<Transaction>> {
        let spends = |each: &&Arc<Transaction>| {
            each.input.iter().any(|input| input.previous_output == *outpoint)
        };
        self.0.values().find(spends)
    }

    /// This output, if its transaction is known.
    pub fn output(&self, outpoint: &OutPoint) -> Option<&TxOut> {
        self.get(&outpoint.txid)?.output.get(usize::try_from(outpoint.vout).ok()?)
    }
}
