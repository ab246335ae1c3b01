//! The node itself.

use ldk_node::bitcoin::Network;
use ldk_node::lightning::chain::BestBlock;
use ldk_server_grpc::types;

/// The tip of a chain.
pub fn best_block(block: BestBlock) -> types::BestBlock {
    let BestBlock { block_hash, height } = block;
    types::BestBlock { block_hash: block_hash.to_string(), height }
}

/// The Bitcoin network.
pub fn network(network: Network) -> types::Network {
    match network {
        Network::Bitcoin => types::Network::Bitcoin,
        Network::Testnet => types::Network::Testnet,
        Network::Testnet4 => types::Network::Testnet4,
        Network::Signet => types::Network::Signet,
        Network::Regtest => types::Network::Regtest,
    }
}
