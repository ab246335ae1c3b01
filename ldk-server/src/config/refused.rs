//! Keys of the contract that this version cannot honour. Each is refused with the reason; none is
//! silently without effect.

use super::ConfigError;
use super::args::Args;
use super::file::File;

const ONLY_IN_NEWER_LIBRARY: &str =
    "not supported: LDK Node 0.7.1, which this server is built on, cannot do it; remove the key";
const NOT_YET: &str = "not supported yet by this version; remove the key";

pub(super) fn check(args: &Args, file: &File) -> Result<(), ConfigError> {
    let flags = &args.unsupported;
    let zero_fee = args.node_enable_zero_fee_commitments.or(file.node.enable_zero_fee_commitments);
    let service = file.liquidity.lsps2_service.as_ref();
    let no_reserve = |key: fn(&super::file::Lsps2Service) -> Option<bool>| {
        service.and_then(key).unwrap_or(false)
    };
    let probing = file.probing.is_some()
        || flags.probing_strategy.is_some()
        || flags.probing_top_node_count.is_some()
        || flags.probing_max_hops.is_some()
        || flags.probing_interval_secs.is_some()
        || flags.probing_max_locked_msat.is_some()
        || flags.probing_diversity_penalty_msat.is_some()
        || flags.probing_cooldown_secs.is_some();
    let blip32 = file.hrn.mode.as_deref() == Some("blip32");
    let resolves_for_others = file.hrn.enable_resolution_service == Some(true);

    for (is_set, key, reason) in [
        (zero_fee == Some(true), "node.enable_zero_fee_commitments", ONLY_IN_NEWER_LIBRARY),
        (
            no_reserve(|service| service.allow_client_0reserve),
            "liquidity.lsps2_service.allow_client_0reserve",
            ONLY_IN_NEWER_LIBRARY,
        ),
        (
            no_reserve(|service| service.disable_client_reserve),
            "liquidity.lsps2_service.disable_client_reserve",
            ONLY_IN_NEWER_LIBRARY,
        ),
        (probing, "probing", ONLY_IN_NEWER_LIBRARY),
        (flags.rescan_from_height.is_some(), "--rescan-from-height", ONLY_IN_NEWER_LIBRARY),
        (flags.force_wallet_full_scan, "--force-wallet-full-scan", NOT_YET),
        (blip32, "hrn.mode = \"blip32\"", ONLY_IN_NEWER_LIBRARY),
        (resolves_for_others, "hrn.enable_resolution_service", ONLY_IN_NEWER_LIBRARY),
    ] {
        if is_set {
            return Err(ConfigError::new(key, reason));
        }
    }
    Ok(())
}
