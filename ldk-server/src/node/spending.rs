//! One on-chain transaction after the other. The wallet learns of a transaction of its own only when
//! it next looks at the chain; until then it would spend the same coins again.

use ldk_node::UserChannelId;
use ldk_node::bitcoin::Txid;

/// The transaction that the wallet was last asked for.
#[derive(Default)]
pub struct Spending {}

impl Spending {
    /// A splice has its transaction.
    pub fn splice_pending(&self, _channel: UserChannelId, _txid: Txid) {}

    /// A splice will have none.
    pub fn splice_failed(&self, _channel: UserChannelId) {}
}
