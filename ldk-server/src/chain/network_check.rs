//! Is an Electrum or Esplora server there, and on our network? PendingBroadcasts before the node is built,
//! because the library takes whatever chain it is shown for ours.

use electrum_client::ElectrumApi as _;
use ldk_node::bitcoin::constants::genesis_block;
use ldk_node::bitcoin::{BlockHash, Network};

use super::bitcoind::ProbeError;
use super::{electrum, esplora};
use crate::config::{ChainSource, ElectrumConfig, EsploraConfig};

const NETWORKS: [Network; 5] =
    [Network::Bitcoin, Network::Testnet, Network::Testnet4, Network::Signet, Network::Regtest];

/// Asks a server for the first block of its chain. `Ok` means that it is that of `network`; Bitcoin
/// Core is not asked.
pub(crate) async fn probe(source: &ChainSource, network: Network) -> Result<(), ProbeError> {
    let found = match source {
        ChainSource::Bitcoind(_) => return Ok(()),
        ChainSource::Electrum(electrum) => of_electrum(electrum).await,
        ChainSource::Esplora(esplora) => of_esplora(esplora).await,
    };
    let hash = found.map_err(|reason| {
        ProbeError::Unavailable(format!("{source} does not tell its first block: {reason}"))
    })?;
    judge(hash, network)
        .map_err(|chain| ProbeError::Misconfigured(format!("{source} is on {chain}")))
}

fn judge(hash: BlockHash, network: Network) -> Result<(), String> {
    let begins = |network: &Network| genesis_block(network).block_hash() == hash;
    match NETWORKS.into_iter().find(begins) {
        Some(found) if found == network => Ok(()),
        Some(found) => Err(format!("{found}, but node.network is {network}")),
        None => Err(format!("a chain that begins with block {hash}, not on {network}")),
    }
}

async fn of_esplora(config: &EsploraConfig) -> Result<BlockHash, String> {
    let text = esplora::get(config, "/block-height/0").await?;
    text.trim().parse().map_err(|_| "its answer is no hash".to_owned())
}

async fn of_electrum(config: &ElectrumConfig) -> Result<BlockHash, String> {
    electrum::ask(config, |server| Ok(server.block_header(0)?.block_hash())).await
}

#[cfg(test)]
mod tests {
    use ldk_node::bitcoin::hashes::Hash as _;

    use super::*;

    #[test]
    fn a_chain_is_told_by_its_first_block() {
        for network in NETWORKS {
            assert_eq!(judge(genesis_block(network).block_hash(), network), Ok(()));
        }
        let regtest = genesis_block(Network::Regtest).block_hash();
        let wrong = judge(regtest, Network::Bitcoin).unwrap_err();
        assert_eq!(wrong, "regtest, but node.network is bitcoin");
        let unknown = judge(BlockHash::all_zeros(), Network::Signet).unwrap_err();
        assert!(unknown.ends_with("00, not on signet"), "{unknown}");
    }
}
