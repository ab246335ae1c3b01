use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

fn onion(letter: &str) -> SocketAddress {
    format!("{}.onion:9735", letter.repeat(56)).parse().unwrap()
}

fn with_proxy(port: u16) -> Onions {
    Onions::new(Some(HostPort { host: "127.0.0.1".to_owned(), port }), &[])
}

fn refusal(onions: &Onions, address: &SocketAddress) -> String {
    onions.way_to(address).err().map(|error| error.to_string()).unwrap_or_default()
}

/// The library's record of a peer at this address.
fn record_of(address: &SocketAddress) -> Vec<u8> {
    use ldk_node::lightning::util::ser::Writeable as _;
    let key = "0276607124ebe6a6c9338517b6f485825b27c2dcc0b9fc2aa6a4c0df91194e5993";
    let address = hex::encode(address.encode());
    let fields = format!("0021{key}02{:02x}{address}", address.len() / 2);
    hex::decode(format!("0001{key}{:02x}{fields}", fields.len() / 2)).unwrap()
}

#[tokio::test]
async fn without_a_proxy_onion_addresses_are_refused_by_the_name_of_the_key() {
    let onions = Onions::new(None, &[]);
    assert!(refusal(&onions, &onion("a")).contains("tor.proxy_address"));
    let record = record_of(&onion("a"));
    assert_eq!(onions.for_library(&record).unwrap(), record);
}

#[tokio::test]
async fn other_addresses_are_left_alone() {
    let onions = with_proxy(9);
    for text in ["127.0.0.1:9735", "[::1]:9735", "example.com:9735"] {
        let address: SocketAddress = text.parse().unwrap();
        assert_eq!(*onions.way_to(&address).unwrap().address(), address);
        assert_eq!(onions.shown(address.clone()), address);
        let record = record_of(&address);
        assert_eq!(onions.for_library(&record).unwrap(), record);
        assert_eq!(onions.for_disk(&record).unwrap(), record);
    }
}

#[tokio::test]
async fn the_library_sees_a_port_and_the_disk_the_onion_address() {
    let onions = with_proxy(9);
    let on_disk = record_of(&onion("a"));
    let for_library = onions.for_library(&on_disk).unwrap();
    let entrance = onions.way_to(&onion("a")).unwrap().address().clone();
    assert_eq!(for_library, record_of(&entrance));
    assert_eq!(onions.for_disk(&for_library).unwrap(), on_disk);
    assert_eq!(onions.shown(entrance), onion("a"));
}

#[tokio::test]
async fn there_is_a_limit_and_what_nobody_uses_makes_room() {
    let onions = with_proxy(9);
    let kept = onions.configured(&onion("a")).unwrap();
    onions.for_library(&record_of(&onion("b"))).unwrap();
    let stored = onions.way_to(&onion("b")).unwrap().address().clone();
    let letters = "abcdefghijklmnopqrstuvwxyz234567";
    let address = |index: usize| {
        let pair = [index / 32, index % 32].map(|at| &letters[at..=at]).concat();
        format!("{}{pair}.onion:9735", "c".repeat(54)).parse::<SocketAddress>().unwrap()
    };
    let ways: Vec<Way> =
        (2..MAX_TUNNELS).map(|index| onions.way_to(&address(index)).unwrap()).collect();
    assert!(refusal(&onions, &onion("d")).contains("256 onion addresses are in use"));
    assert!(onions.way_to(&address(7)).is_ok(), "it is there already");

    drop(ways);
    onions.way_to(&onion("d")).unwrap();
    assert_eq!(onions.known().tunnels.len(), 3);
    assert_eq!([onions.shown(kept), onions.shown(stored)], [onion("a"), onion("b")]);
}

#[tokio::test]
async fn the_ports_of_the_node_and_of_stored_peers_are_known() {
    let [own, stored] = ["127.0.0.1:9735", "example.com:9736"].map(|text| text.parse().unwrap());
    let onions = Onions::new(None, &[own, onion("a")]);
    onions.for_disk(&record_of(&stored)).unwrap();
    assert_eq!(onions.taken(&onions.known()), BTreeSet::from([9735, 9736]));
    onions.for_disk(&record_of(&onion("b"))).unwrap();
    assert_eq!(onions.taken(&onions.known()), BTreeSet::from([9735]));
}

#[tokio::test]
async fn a_tunnel_carries_a_bounded_number_of_connections_and_ends_with_the_rest() {
    // A proxy that never answers.
    let proxy = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let onions = with_proxy(proxy.local_addr().unwrap().port());
    let way = onions.way_to(&onion("a")).unwrap();
    let entrance = way.address().to_string();
    let mut connections = Vec::new();
    for _ in 0..8 {
        let mut connection = TcpStream::connect(&entrance).await.unwrap();
        connection.write_all(b"hello").await.unwrap();
        // It is being served once the proxy is asked.
        let (mut asked, _) = proxy.accept().await.unwrap();
        asked.read_u8().await.unwrap();
        connections.push((connection, asked));
    }
    let mut refused = TcpStream::connect(&entrance).await.unwrap();
    assert_eq!(refused.read(&mut [0]).await.unwrap_or_default(), 0);

    onions.close().await;
    assert!(TcpStream::connect(&entrance).await.is_err());
    for (mut connection, _) in connections {
        assert_eq!(connection.read(&mut [0]).await.unwrap_or_default(), 0);
    }
}
