//! The library's record of the peers that it reconnects to: their number, and for each peer its
//! node id and a TLV stream. Other fields are kept as they are.

use ldk_node::bitcoin::secp256k1::PublicKey;
use ldk_node::lightning::io;
use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_node::lightning::util::ser::{BigSize, Readable, Writeable};

/// Its key in the store, with the namespaces.
pub(crate) const STORE_KEY: (&str, &str, &str) = ("", "", "peers");

const NODE_ID: u64 = 0;
const ADDRESS: u64 = 2;

/// A peer as the library stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) node_id: PublicKey,
    pub(crate) address: SocketAddress,
    /// All fields, with the address that was read.
    fields: Vec<(u64, Vec<u8>)>,
}

impl Peer {
    /// Creates a peer that the library has not written.
    pub(crate) fn new(node_id: PublicKey, address: SocketAddress) -> Self {
        let fields = vec![(NODE_ID, node_id.encode()), (ADDRESS, address.encode())];
        Self { node_id, address, fields }
    }
}

pub(crate) fn decode(mut bytes: &[u8]) -> io::Result<Vec<Peer>> {
    let count: u16 = read(&mut bytes)?;
    (0..count).map(|_| peer(&mut bytes)).collect()
}

fn peer(bytes: &mut &[u8]) -> io::Result<Peer> {
    let node_id = read(bytes)?;
    let mut stream = with_length(bytes)?;
    let mut fields = Vec::new();
    while !stream.is_empty() {
        let BigSize(kind) = read(&mut stream)?;
        fields.push((kind, with_length(&mut stream)?.to_vec()));
    }
    let address = fields.iter().find(|(kind, _)| *kind == ADDRESS);
    let (_, mut address) = address
        .map(|(kind, value)| (kind, value.as_slice()))
        .ok_or_else(|| invalid("a peer has no address"))?;
    Ok(Peer { node_id, address: read(&mut address)?, fields })
}

pub(crate) fn encode(peers: &[Peer]) -> io::Result<Vec<u8>> {
    let count = u16::try_from(peers.len()).map_err(|_| invalid("too many peers"))?;
    let mut bytes = count.encode();
    for Peer { node_id, address, fields } in peers {
        let mut stream = Vec::new();
        for (kind, value) in fields {
            BigSize(*kind).write(&mut stream)?;
            let value = if *kind == ADDRESS { &address.encode() } else { value };
            write_with_length(value, &mut stream)?;
        }
        node_id.write(&mut bytes)?;
        write_with_length(&stream, &mut bytes)?;
    }
    Ok(bytes)
}

fn with_length<'a>(bytes: &mut &'a [u8]) -> io::Result<&'a [u8]> {
    let BigSize(length) = read(bytes)?;
    let parts = usize::try_from(length).ok().and_then(|length| bytes.split_at_checked(length));
    let (value, rest) = parts.ok_or_else(|| invalid("it ends too early"))?;
    *bytes = rest;
    Ok(value)
}

fn write_with_length(value: &[u8], bytes: &mut Vec<u8>) -> io::Result<()> {
    BigSize(value.len() as u64).write(bytes)?;
    bytes.extend_from_slice(value);
    Ok(())
}

fn read<T: Readable>(bytes: &mut &[u8]) -> io::Result<T> {
    T::read(bytes).map_err(|error| invalid(&format!("{error:?}")))
}

fn invalid(reason: &str) -> io::Error {
    let text = format!("the record of peers cannot be read: {reason}");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0276607124ebe6a6c9338517b6f485825b27c2dcc0b9fc2aa6a4c0df91194e5993";

    /// What LDK Node 0.7.1 writes for one peer at 127.0.0.1:9738, with a field of a later version.
    fn one_peer() -> Vec<u8> {
        let fields = format!("0021{KEY}020701{}{}", "7f000001", "260a");
        let fields = format!("{fields}0302abcd");
        hex::decode(format!("0001{KEY}{:02x}{fields}", fields.len() / 2)).unwrap()
    }

    #[test]
    fn only_the_address_changes() {
        let bytes = one_peer();
        let mut peers = decode(&bytes).unwrap();
        assert_eq!(peers[0].address.to_string(), "127.0.0.1:9738");
        assert_eq!(encode(&peers).unwrap(), bytes);

        let onion = format!("{}.onion:9735", "a".repeat(56));
        peers[0].address = onion.parse().unwrap();
        let again = decode(&encode(&peers).unwrap()).unwrap();
        assert_eq!(again[0].address.to_string(), onion);
        assert_eq!(again[0].node_id.to_string(), KEY);
        assert!(again[0].fields.contains(&(3, vec![0xab, 0xcd])));
    }

    #[test]
    fn a_peer_that_is_made_here_is_written_as_the_library_writes_it() {
        let [peer] = <[Peer; 1]>::try_from(decode(&one_peer()).unwrap()).unwrap();
        let made = Peer::new(peer.node_id, peer.address);
        let fields = format!("0021{KEY}020701{}{}", "7f000001", "260a");
        let expected = hex::decode(format!("0001{KEY}{:02x}{fields}", fields.len() / 2)).unwrap();
        assert_eq!(encode(&[made]).unwrap(), expected);
    }

    #[test]
    fn an_empty_record_is_one() {
        assert_eq!(encode(&decode(&[0, 0]).unwrap()).unwrap(), [0, 0]);
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let bytes = one_peer();
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "{end}");
        }
        let mut without_address = bytes;
        let kind = without_address.len() - 13;
        assert_eq!(without_address[kind], 2);
        without_address[kind] = 5;
        assert!(decode(&without_address).is_err());
    }
}
