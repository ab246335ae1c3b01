use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use ldk_node::PeerDetails;
use ldk_node::bitcoin::Network;
use ldk_node::bitcoin::secp256k1::PublicKey;

use super::metrics::Direction;
use super::*;
use crate::config::PeerLimitsConfig;
use crate::store::Watermark;

const PATIENCE: Duration = Duration::from_secs(10);
pub(super) const KEY: &str = "0276607124ebe6a6c9338517b6f485825b27c2dcc0b9fc2aa6a4c0df91194e5993";

fn onion(letter: &str) -> SocketAddress {
    format!("{}.onion:9735", letter.repeat(56)).parse().unwrap()
}

pub(super) fn plain(text: &str) -> SocketAddress {
    text.parse().unwrap()
}

fn limits() -> PeerLimitsConfig {
    PeerLimitsConfig {
        max_connections: 100,
        max_connections_per_address: 100,
        handshake_timeout: PATIENCE,
        write_timeout: PATIENCE,
        max_queued_bytes: 128 * 1024,
    }
}

pub(super) fn settings() -> Settings {
    Settings {
        proxy: None,
        network: Network::Regtest,
        listening: Vec::new(),
        announced: Vec::new(),
        limits: limits(),
        max_tunnels: 100,
        only_onions: false,
    }
}

pub(super) fn gate(settings: Settings) -> PeerGate {
    let sockets = ListeningSockets::bind(&settings.listening).unwrap();
    PeerGate::new(settings, sockets, None).unwrap()
}

fn with_proxy(port: u16) -> PeerGate {
    let proxy = Some(HostPort { host: "127.0.0.1".to_owned(), port });
    gate(Settings { proxy, ..settings() })
}

fn refusal(gate: &PeerGate, address: &SocketAddress) -> String {
    gate.route_to(address).err().map(|error| error.to_string()).unwrap_or_default()
}

/// The library's record of a peer at this address.
fn record_of(address: &SocketAddress) -> Vec<u8> {
    use ldk_node::lightning::util::ser::Writeable as _;
    let address = hex::encode(address.encode());
    let fields = format!("0021{KEY}02{:02x}{address}", address.len() / 2);
    hex::decode(format!("0001{KEY}{:02x}{fields}", fields.len() / 2)).unwrap()
}

fn shown(gate: &PeerGate, address: &SocketAddress) -> SocketAddress {
    let peer = PeerDetails {
        node_id: KEY.parse().unwrap(),
        address: address.clone(),
        is_persisted: false,
        is_connected: true,
    };
    gate.known_peers(vec![peer]).remove(0).address
}

#[tokio::test]
async fn without_a_proxy_onion_addresses_are_refused_by_the_name_of_the_key() {
    let gate = gate(settings());
    assert!(refusal(&gate, &onion("a")).contains("tor.proxy_address"));
    let record = record_of(&onion("a"));
    assert_eq!(gate.for_library(&record).unwrap(), record);
}

#[tokio::test]
async fn the_library_sees_a_port_and_everybody_else_the_address() {
    let gate = with_proxy(9);
    let addresses =
        [onion("a"), plain("1.2.3.4:9735"), plain("[2001:db8::1]:9735"), plain("a.example:9735")];
    for address in addresses {
        let on_disk = record_of(&address);
        let for_library = gate.for_library(&on_disk).unwrap();
        let entrance = gate.route_to(&address).unwrap().address().clone();
        assert!(entrance.to_string().starts_with("127."), "{entrance}");
        assert_eq!(for_library, record_of(&entrance));
        assert_eq!(gate.for_disk(&for_library).unwrap(), on_disk);
        assert_eq!(shown(&gate, &entrance), address);
        assert_eq!(shown(&gate, &address), address);
    }
}

#[tokio::test]
async fn past_the_gate_only_onion_addresses_have_ports() {
    let proxy = Some(HostPort { host: "127.0.0.1".to_owned(), port: 9 });
    let listening = vec![plain("127.0.0.1:0")];
    let gate = gate(Settings { proxy, only_onions: true, listening, ..settings() });
    assert_eq!(gate.library_listening_addresses(), [plain("127.0.0.1:0")]);
    let record = record_of(&plain("1.2.3.4:9735"));
    assert_eq!(gate.for_library(&record).unwrap(), record);
    assert_ne!(gate.for_library(&record_of(&onion("a"))).unwrap(), record_of(&onion("a")));
}

#[tokio::test]
async fn there_is_a_limit_and_what_nobody_uses_makes_room() {
    let gate = gate(Settings { max_tunnels: 4, ..settings() });
    let address = |last: usize| plain(&format!("1.2.3.{last}:9735"));
    let configured = gate.configured_address(&address(0)).unwrap();
    gate.for_library(&record_of(&address(1))).unwrap();
    let stored = gate.route_to(&address(1)).unwrap().address().clone();
    let routes = [2, 3].map(|last| gate.route_to(&address(last)).unwrap());
    assert!(refusal(&gate, &address(4)).contains("the addresses of 4 peers are in use"));
    assert!(gate.route_to(&address(3)).is_ok(), "it is there already");

    drop(routes);
    gate.route_to(&address(4)).unwrap();
    assert_eq!(gate.addresses.known().tunnels.len(), 3);
    assert_eq!([shown(&gate, &configured), shown(&gate, &stored)], [address(0), address(1)]);
}

#[tokio::test]
async fn a_stored_peer_that_there_is_no_room_for_stays_stored() {
    let gate = gate(Settings { max_tunnels: 1, ..settings() });
    gate.configured_address(&plain("1.2.3.0:9735")).unwrap();
    let record = record_of(&plain("1.2.3.5:9735"));
    assert_eq!(gate.for_library(&record).unwrap(), [0, 0]);
    assert_eq!(gate.for_disk(&[0, 0]).unwrap(), record);
    let listed = gate.known_peers(Vec::new()).remove(0);
    assert_eq!((listed.address, listed.is_persisted), (plain("1.2.3.5:9735"), true));
    gate.forget(&KEY.parse().unwrap());
    assert_eq!(gate.for_disk(&[0, 0]).unwrap(), [0, 0]);
}

#[tokio::test]
async fn a_stored_peer_is_stored_where_it_was_last_said_to_be() {
    let gate = gate(settings());
    let [old, new] = ["1.2.3.4:9735", "5.6.7.8:9735"].map(plain);
    let node_id: PublicKey = KEY.parse().unwrap();
    let for_library = gate.for_library(&record_of(&old)).unwrap();
    assert!(!gate.addresses.known().move_to(node_id, &old));
    assert!(gate.addresses.known().move_to(node_id, &new));
    // The library goes on with what it has read, and writes it again.
    assert_eq!(gate.for_disk(&for_library).unwrap(), record_of(&new));
    let entrance = gate.route_to(&old).unwrap().address().clone();
    let peer = PeerDetails { node_id, address: entrance, is_persisted: true, is_connected: true };
    let listed = gate.known_peers(vec![peer]).remove(0);
    assert_eq!((listed.address, listed.connected_address), (new, Some(old)));

    assert_eq!(gate.for_disk(&[0, 0]).unwrap(), [0, 0]);
    assert!(gate.addresses.known().moved.is_empty(), "the library has forgotten the peer");
}

#[tokio::test]
async fn the_ports_of_stored_peers_are_known() {
    let gate = gate(settings());
    gate.for_disk(&record_of(&plain("a.example:9736"))).unwrap();
    assert_eq!(taken_ports(&gate.addresses.known()), BTreeSet::from([9736]));
    gate.for_disk(&record_of(&onion("b"))).unwrap();
    assert_eq!(taken_ports(&gate.addresses.known()), BTreeSet::new());
}

#[tokio::test]
async fn what_is_announced_is_what_is_configured() {
    let listening = || vec![plain(&loopback::free_address().unwrap().to_string())];
    let at_first = listening();
    let gate_that_listens = gate(Settings { listening: at_first.clone(), ..settings() });
    assert_eq!(gate_that_listens.announcement_addresses(), at_first);
    let [library] = <[_; 1]>::try_from(gate_that_listens.library_listening_addresses()).unwrap();
    assert_ne!(library, at_first[0]);
    let announced = vec![onion("a")];
    let gate =
        gate(Settings { listening: listening(), announced: announced.clone(), ..settings() });
    assert_eq!(gate.announcement_addresses(), announced);
}

#[tokio::test]
async fn a_tunnel_carries_a_bounded_number_of_connections_and_ends_with_the_rest() {
    // A proxy that never answers.
    let proxy = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let gate = with_proxy(proxy.local_addr().unwrap().port());
    let route = gate.route_to(&onion("a")).unwrap();
    let entrance = route.address().to_string();
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

    gate.close().await;
    assert!(TcpStream::connect(&entrance).await.is_err());
    for (mut connection, _) in connections {
        assert_eq!(connection.read(&mut [0]).await.unwrap_or_default(), 0);
    }
}

/// A gate, the library that it leads to, and where peers connect.
struct Setup {
    gate: PeerGate,
    library: TcpListener,
    door: SocketAddr,
}

/// With these limits; what the library says is held by the watermark.
async fn setup(limits: PeerLimitsConfig, watermark: Option<&Watermark>) -> Setup {
    let sockets = ListeningSockets::bind(&[plain("127.0.0.1:0")]).unwrap();
    let door = sockets.0[0].local_addr().unwrap();
    let durability = watermark.map(Watermark::durability);
    let settings = Settings { limits, ..settings() };
    let gate = PeerGate::new(settings, sockets, durability).unwrap();
    let library = TcpListener::bind(gate.library.unwrap()).await.unwrap();
    gate.open();
    Setup { gate, library, door }
}

impl Setup {
    /// A peer that has begun with the handshake, and its connection as the library has it.
    async fn peer(&self) -> (TcpStream, TcpStream) {
        let mut peer = TcpStream::connect(self.door).await.unwrap();
        peer.write_all(&[0; 50]).await.unwrap();
        let (mut library, _) = self.library.accept().await.unwrap();
        library.read_exact(&mut [1; 50]).await.unwrap();
        (peer, library)
    }

    /// The same, through the handshake.
    async fn peer_with_handshake(&self) -> (TcpStream, TcpStream) {
        let (mut peer, mut library) = self.peer().await;
        peer.write_all(&[0; 66 + 40]).await.unwrap();
        library.write_all(&[0; 50 + 40]).await.unwrap();
        peer.read_exact(&mut [1; 90]).await.unwrap();
        library.read_exact(&mut [1; 106]).await.unwrap();
        (peer, library)
    }
}

/// Waits until the other side has closed it.
async fn closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
}

fn in_ms(limits: PeerLimitsConfig, handshake: u64, write: u64) -> PeerLimitsConfig {
    let (handshake_timeout, write_timeout) =
        (Duration::from_millis(handshake), Duration::from_millis(write));
    PeerLimitsConfig { handshake_timeout, write_timeout, ..limits }
}

#[tokio::test]
async fn a_peer_that_connects_is_led_to_the_library_and_shown_with_its_address() {
    let setup = setup(limits(), None).await;
    let (mut peer, mut library) = setup.peer().await;
    library.write_all(b"to the peer").await.unwrap();
    peer.read_exact(&mut [0; 11]).await.unwrap();
    let as_library_sees_it = library.peer_addr().unwrap().into();
    assert_eq!(shown(&setup.gate, &as_library_sees_it), peer.local_addr().unwrap().into());
    assert!(peer.nodelay().is_ok());

    peer.write_all(b"the end").await.unwrap();
    drop(peer);
    let mut said = Vec::new();
    library.read_to_end(&mut said).await.unwrap();
    assert_eq!(said, b"the end");
    drop(library);
    setup.gate.close().await;
    assert_eq!(shown(&setup.gate, &as_library_sees_it), as_library_sees_it);
}

#[tokio::test]
async fn what_the_library_says_does_not_leave_before_it_is_durable() {
    let watermark = Watermark::new();
    let setup = setup(limits(), Some(&watermark)).await;
    let (mut peer, mut library) = setup.peer_with_handshake().await;
    let write = watermark.accept();
    library.write_all(b"revoke").await.unwrap();
    // What the peer says is not held up, and its answer shows that the library's words were read.
    peer.write_all(b"ping").await.unwrap();
    library.read_exact(&mut [0; 4]).await.unwrap();
    let mut byte = [0];
    let early = timeout(Duration::from_millis(200), peer.read(&mut byte)).await;
    assert!(early.is_err(), "{early:?}");
    watermark.reached(write);
    let mut said = [0; 6];
    timeout(PATIENCE, peer.read_exact(&mut said)).await.unwrap().unwrap();
    assert_eq!(&said, b"revoke");

    watermark.accept();
    library.write_all(b"never").await.unwrap();
    watermark.end();
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, peer.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn at_the_end_what_may_leave_leaves() {
    let watermark = Watermark::new();
    let setup = setup(limits(), Some(&watermark)).await;
    let (mut peer, mut library) = setup.peer_with_handshake().await;
    let write = watermark.accept();
    library.write_all(b"last words").await.unwrap();
    drop(library);
    setup.gate.stop_accepting();
    let (_, said) = tokio::join!(setup.gate.close(), async {
        watermark.reached(write);
        let mut said = Vec::new();
        peer.read_to_end(&mut said).await.unwrap();
        said
    });
    assert_eq!(said, b"last words");
    assert!(TcpStream::connect(setup.door).await.is_err());
}

#[tokio::test]
async fn the_library_notices_at_once_that_a_connection_breaks_off() {
    let setup = setup(limits(), None).await;
    let (peer, mut library) = setup.peer_with_handshake().await;
    peer.set_zero_linger().unwrap();
    drop(peer);
    let heard = timeout(tasks::LINGER / 2, library.read(&mut [0])).await;
    assert!(matches!(heard, Ok(Ok(0))), "{heard:?}");
}

#[tokio::test]
async fn before_the_end_the_library_is_heard_and_hears_nothing() {
    let setup = setup(limits(), None).await;
    let (mut peer, mut library) = setup.peer_with_handshake().await;
    setup.gate.stop_reading();
    peer.write_all(b"news").await.unwrap();
    library.write_all(b"last words").await.unwrap();
    let mut said = [0; 10];
    timeout(PATIENCE, peer.read_exact(&mut said)).await.unwrap().unwrap();
    assert_eq!(&said, b"last words");
    let heard = timeout(Duration::from_millis(200), library.read(&mut [0])).await;
    assert!(heard.is_err(), "{heard:?}");
    // To the peer it is an end in order, so that it closes the connection at once.
    drop(library);
    assert_eq!(timeout(PATIENCE, peer.read(&mut [0])).await.unwrap().unwrap(), 0);
    drop(peer);
    timeout(tasks::LINGER / 2, setup.gate.close()).await.unwrap();
}

#[tokio::test]
async fn who_says_nothing_or_no_lightning_is_sent_away_and_the_library_hears_nothing_of_it() {
    let setup = setup(in_ms(limits(), 1_000, 10_000), None).await;
    let mut silent = TcpStream::connect(setup.door).await.unwrap();
    let mut slow = TcpStream::connect(setup.door).await.unwrap();
    slow.write_all(&[0; 49]).await.unwrap();
    let mut garbage = TcpStream::connect(setup.door).await.unwrap();
    garbage.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    for stream in [&mut silent, &mut slow, &mut garbage] {
        closed(stream).await;
    }
    let heard = timeout(Duration::from_millis(50), setup.library.accept()).await;
    assert!(heard.is_err(), "{heard:?}");

    let (mut half, _library) = setup.peer().await;
    closed(&mut half).await;
    // Who is through may be silent.
    let (mut peer, _library) = setup.peer_with_handshake().await;
    let ended = timeout(Duration::from_millis(1_500), peer.read(&mut [0])).await;
    assert!(ended.is_err(), "{ended:?}");
}

#[tokio::test]
async fn who_does_not_read_is_sent_away_and_holds_up_nobody() {
    let setup = setup(in_ms(limits(), 10_000, 300), None).await;
    let (_deaf, mut library) = setup.peer_with_handshake().await;
    let (mut other, mut library_of_other) = setup.peer_with_handshake().await;
    // More than fits into the system's buffers.
    let flood = tokio::spawn(async move {
        let chunk = vec![7; 1 << 20];
        while library.write_all(&chunk).await.is_ok() {}
    });
    library_of_other.write_all(b"hello").await.unwrap();
    timeout(PATIENCE, other.read_exact(&mut [0; 5])).await.unwrap().unwrap();
    timeout(PATIENCE, flood).await.unwrap().unwrap();
}

#[tokio::test]
async fn there_are_so_many_places() {
    let limits = PeerLimitsConfig { max_connections: 3, ..limits() };
    let setup = setup(limits, None).await;
    let (_one, _) = setup.peer().await;
    let (_two, _) = setup.peer().await;
    let (_three, _) = setup.peer().await;
    let mut four = TcpStream::connect(setup.door).await.unwrap();
    closed(&mut four).await;
    assert_eq!(setup.gate.connections.metrics.was_refused(metrics::Refusal::Total), 1);
}

#[tokio::test]
async fn an_outbound_connection_goes_to_the_peer_that_was_dialled() {
    let peer = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = SocketAddress::from(peer.local_addr().unwrap());
    let gate = Arc::new(gate(settings()));
    let route = gate.route_to(&address).unwrap();
    let route = tokio::task::spawn_blocking(move || {
        route.dial().unwrap();
        route
    });
    let route = route.await.unwrap();
    assert!(route.is_ready());
    let (mut far, _) = peer.accept().await.unwrap();
    let mut library = TcpStream::connect(route.address().to_string()).await.unwrap();
    library.write_all(b"act one").await.unwrap();
    far.read_exact(&mut [0; 7]).await.unwrap();
    assert!(!route.is_ready());
    let open = gate.connections.metrics.opened(Direction::Outbound);
    assert_eq!(open.number(), 2);
}

#[tokio::test]
async fn a_host_that_is_unknown_is_told_from_one_that_does_not_answer() {
    let gate = Arc::new(gate(settings()));
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let clear = async |address: SocketAddress| {
        let route = gate.route_to(&address).unwrap();
        tokio::task::spawn_blocking(move || route.dial()).await.unwrap().unwrap_err()
    };
    assert!(matches!(clear(plain("no-such-host.invalid:9735")).await, DialError::Unresolvable));
    assert!(matches!(clear(free.into()).await, DialError::NoAnswer));
}
