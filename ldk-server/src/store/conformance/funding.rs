//! What the store knows of transactions and channels by the records of the library.

use ldk_node::bitcoin::Txid;
use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::lightning::ln::types::ChannelId;
use ldk_node::lightning::util::persist::KVStoreSync;

use super::TestDatabase;

pub(super) fn the_wallet_knows_what_the_library_wrote_down<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let [txid, other] = [Txid::from_byte_array([7; 32]), Txid::from_byte_array([8; 32])];
    assert!(!store.wallet_knows(&txid).unwrap());
    let value = [&[1; 5][..], txid.as_byte_array(), &[7; 3]].concat();
    KVStoreSync::write(&store, "bdk_wallet", "", "tx_graph", value).unwrap();
    assert!(store.wallet_knows(&txid).unwrap());
    assert!(!store.wallet_knows(&other).unwrap());
}

pub(super) fn a_channel_with_a_monitor_was_funded<D: TestDatabase>() {
    let database = D::new();
    let store = database.open();
    let txid = Txid::from_byte_array([7; 32]);
    let [first, second] = [(0, 7), (258, 7 ^ 2)].map(|(index, last)| {
        let mut id = [7; 32];
        id[30] ^= (index >> 8) as u8;
        id[31] = last;
        (format!("{txid}_{index}"), ChannelId(id))
    });
    let third = (hex::encode([9; 32]), ChannelId([9; 32]));
    for (namespace, (name, id)) in
        [("monitors", first), ("archived_monitors", second), ("monitors", third)]
    {
        assert!(!store.was_funded(id).unwrap());
        KVStoreSync::write(&store, namespace, "", &name, vec![1]).unwrap();
        assert!(store.was_funded(id).unwrap(), "{name}");
    }
}
