//! Formats that the library itself reads and writes here, in a node that is built and never started.

use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::{env, fs};

use ldk_node::bip39::Mnemonic;
use ldk_node::bitcoin::{Network, OutPoint};
use ldk_node::io::sqlite_store::SqliteStore;
use ldk_node::lightning::events::ClosureReason;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning::ln::types::ChannelId;
use ldk_node::lightning::util::persist::KVStoreSync;
use ldk_node::lightning::util::ser::Writeable as _;
use ldk_node::lightning_invoice::{Bolt11InvoiceDescription, Description};
use ldk_node::lightning_types::payment::{PaymentHash, PaymentPreimage};
use ldk_node::{Builder, CustomTlvRecord, Event, Node, UserChannelId};
use tempfile::TempDir;

use super::{event_queue, peer_record, records, wallet};
use crate::secrets::Entropy;

/// The queue of [`events`], as the library has written it.
const RECORDED_QUEUE: &[u8] = include_bytes!("testdata/event_queue");
/// Records the queue anew, after an upgrade of the library.
const WRITE: &str = "GOLDEN_WRITE";

const NODE_ID: &str = "0276607124ebe6a6c9338517b6f485825b27c2dcc0b9fc2aa6a4c0df91194e5993";

/// The store of a node.
struct Library {
    dir: TempDir,
    store: Arc<SqliteStore>,
}

impl Library {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let store = SqliteStore::new(dir.path().to_owned(), None, None).unwrap();
        Self { dir, store: Arc::new(store) }
    }

    /// Builds a node, which reads the store.
    fn node(&self) -> Node {
        let mut builder = Builder::new();
        builder
            .set_network(Network::Regtest)
            .set_storage_dir_path(self.dir.path().display().to_string())
            .set_log_facade_logger()
            .set_chain_source_esplora("http://127.0.0.1:1".to_owned(), None)
            .set_entropy_bip39_mnemonic(mnemonic(), None);
        builder.build_with_store(Arc::clone(&self.store) as Arc<_>).unwrap()
    }

    fn read(&self, (primary, secondary, key): (&str, &str, &str)) -> Vec<u8> {
        KVStoreSync::read(&*self.store, primary, secondary, key).unwrap()
    }

    fn write(&self, (primary, secondary, key): (&str, &str, &str), bytes: Vec<u8>) {
        KVStoreSync::write(&*self.store, primary, secondary, key, bytes).unwrap();
    }
}

fn mnemonic() -> Mnemonic {
    Mnemonic::from_str(&format!("{}about", "abandon ".repeat(11))).unwrap()
}

/// Events of several kinds; the last says that a channel was closed because its state is outdated.
fn events() -> [Event; 4] {
    let (channel_id, user_channel_id) = (ChannelId([7; 32]), UserChannelId(1));
    let node_id = NODE_ID.parse().unwrap();
    let payment_hash = PaymentHash([1; 32]);
    [
        Event::ChannelPending {
            channel_id,
            user_channel_id,
            former_temporary_channel_id: ChannelId([8; 32]),
            counterparty_node_id: node_id,
            funding_txo: OutPoint::null(),
        },
        Event::PaymentSuccessful {
            payment_id: Some(PaymentId([2; 32])),
            payment_hash,
            payment_preimage: Some(PaymentPreimage([3; 32])),
            fee_paid_msat: Some(4),
        },
        Event::PaymentReceived {
            payment_id: None,
            payment_hash,
            amount_msat: 5,
            custom_records: vec![CustomTlvRecord { type_num: 65_537, value: vec![6] }],
        },
        Event::ChannelClosed {
            channel_id,
            user_channel_id,
            counterparty_node_id: Some(node_id),
            reason: Some(ClosureReason::OutdatedChannelManager),
        },
    ]
}

/// Has the library write the queue of these events: it writes what is left when one was handled.
fn written_by_library(events: &[Event]) -> Vec<u8> {
    let with_one_more = [&events[..1], events].concat();
    let mut queue = u16::try_from(with_one_more.len()).unwrap().encode();
    with_one_more.iter().for_each(|event| event.write(&mut queue).unwrap());
    let library = Library::new();
    library.write(event_queue::STORE_KEY, queue);
    library.node().event_handled().unwrap();
    library.read(event_queue::STORE_KEY)
}

#[test]
fn the_library_writes_the_recorded_queue() {
    let written = written_by_library(&events());
    if env::var_os(WRITE).is_some() {
        let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/compat/testdata");
        fs::write(testdata.join("event_queue"), &written).unwrap();
    } else {
        assert_eq!(hex::encode(written), hex::encode(RECORDED_QUEUE));
    }
}

#[test]
fn the_library_reads_the_recorded_queue() {
    let library = Library::new();
    library.write(event_queue::STORE_KEY, RECORDED_QUEUE.to_vec());
    let node = library.node();
    for (handled, event) in events().into_iter().enumerate() {
        let queue = library.read(event_queue::STORE_KEY);
        assert_eq!(usize::from(event_queue::length(&queue)), events().len() - handled);
        assert!(event_queue::ends_with_outdated_state(&queue));
        assert_eq!(node.next_event(), Some(event));
        node.event_handled().unwrap();
    }
    let queue = library.read(event_queue::STORE_KEY);
    assert_eq!((node.next_event(), event_queue::length(&queue)), (None, 0));
}

#[test]
fn an_outdated_state_counts_only_as_the_last_event() {
    let [pending, successful, _, outdated] = events();
    let queue = written_by_library(&[pending, outdated, successful]);
    assert_eq!(event_queue::length(&queue), 3);
    assert!(!event_queue::ends_with_outdated_state(&queue));
}

#[test]
fn the_library_reads_a_record_of_peers() {
    let addresses = ["127.0.0.1:9738", "[::1]:9735", "node.example:9735"];
    for address in addresses {
        let library = Library::new();
        let peer = peer_record::Peer::new(NODE_ID.parse().unwrap(), address.parse().unwrap());
        library.write(peer_record::STORE_KEY, peer_record::encode(&[peer]).unwrap());
        let peers = library.node().list_peers();
        assert_eq!(peers.len(), 1, "{address}");
        assert_eq!(peers[0].node_id.to_string(), NODE_ID);
        assert_eq!(peers[0].address, address.parse().unwrap());
        assert!(peers[0].is_persisted);
    }
}

#[test]
fn the_library_writes_the_descriptor_of_its_wallet() {
    let library = Library::new();
    drop(library.node());
    let descriptor = library.read(wallet::DESCRIPTOR);
    let of_key = |network| {
        let account = Entropy::Mnemonic(mnemonic()).wallet_key(network).unwrap();
        wallet::is_of_key(&descriptor, &account)
    };
    assert!(of_key(Network::Regtest));
    assert!(!of_key(Network::Bitcoin));
}

#[test]
fn the_library_writes_a_payment_under_its_id() {
    let library = Library::new();
    let description = Bolt11InvoiceDescription::Direct(Description::empty());
    let invoice = library.node().bolt11_payment().receive(1_000, &description, 60).unwrap();
    let (primary, secondary) = records::PAYMENTS;
    let keys = KVStoreSync::list(&*library.store, primary, secondary).unwrap();
    assert_eq!(keys, [invoice.payment_hash().to_string()]);
}
