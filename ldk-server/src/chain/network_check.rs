//! Checks that an Electrum or Esplora server is on our network, before the node is built: the library
//! accepts any chain.

use electrum_client::ElectrumApi as _;
use ldk_node::bitcoin::constants::genesis_block;
use ldk_node::bitcoin::{BlockHash, Network};

use super::error::{Misconfigured, ProbeError, RequestError, Unavailable};
use super::{electrum, esplora};
use crate::config::{ChainSource, ElectrumConfig, EsploraConfig};

const NETWORKS: [Network; 5] =
    [Network::Bitcoin, Network::Testnet, Network::Testnet4, Network::Signet, Network::Regtest];

/// Checks that the genesis block of a server is that of `network`. Does not ask Bitcoin Core.
pub(crate) async fn probe(source: &ChainSource, network: Network) -> Result<(), ProbeError> {
    let found = match source {
        ChainSource::Bitcoind(_) => return Ok(()),
        ChainSource::Electrum(electrum) => of_electrum(electrum).await,
        ChainSource::Esplora(esplora) => of_esplora(esplora).await,
    };
    let server = source.to_string();
    let genesis = found.map_err(|error| Unavailable::GenesisBlock {
        server: server.clone(),
        source: Box::new(error),
    })?;
    Ok(check(server, genesis, network)?)
}

fn check(server: String, genesis: BlockHash, network: Network) -> Result<(), Misconfigured> {
    let begins = |network: &Network| genesis_block(network).block_hash() == genesis;
    match NETWORKS.into_iter().find(begins) {
        Some(found) if found == network => Ok(()),
        Some(found) => Err(Misconfigured::Network { server, found, network }),
        None => Err(Misconfigured::UnknownChain { server, genesis, network }),
    }
}

async fn of_esplora(config: &EsploraConfig) -> Result<BlockHash, RequestError> {
    let text = esplora::get(config, "/block-height/0").await?;
    text.trim().parse().map_err(|_| RequestError::BlockHash)
}

async fn of_electrum(config: &ElectrumConfig) -> Result<BlockHash, RequestError> {
    electrum::ask(config, |server| Ok(server.block_header(0)?.block_hash())).await
}

#[cfg(test)]
mod tests {
    use ldk_node::bitcoin::hashes::Hash as _;

    use super::*;

    fn check_genesis(genesis: BlockHash, network: Network) -> Result<(), String> {
        check("server".to_owned(), genesis, network).map_err(|error| error.to_string())
    }

    #[test]
    fn a_chain_is_told_by_its_first_block() {
        for network in NETWORKS {
            assert!(check_genesis(genesis_block(network).block_hash(), network).is_ok());
        }
        let regtest = genesis_block(Network::Regtest).block_hash();
        let wrong = check_genesis(regtest, Network::Bitcoin).unwrap_err();
        assert_eq!(wrong, "server is on regtest, but node.network is bitcoin");
        let unknown = check_genesis(BlockHash::all_zeros(), Network::Signet).unwrap_err();
        assert!(unknown.ends_with("00, not on signet"), "{unknown}");
    }
}
