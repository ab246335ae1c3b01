//! The fee rates that the chain source estimates.

use std::collections::BTreeMap;

use electrum_client::ElectrumApi as _;
use futures_util::future::try_join_all;
use ldk_node::bitcoin::FeeRate;

use super::error::RequestError;
use super::{bitcoind, electrum, esplora};
use crate::bulkhead::Bulkhead;
use crate::config::{BitcoindConfig, ChainSource, ElectrumConfig, EsploraConfig};
use crate::error::Error;

/// How many requests may be under way; others wait.
const MAX_ASKING: usize = 4;
const SAT_PER_BTC: f64 = 100_000_000.0;
const VBYTES_PER_KVB: f64 = 1_000.0;
/// 1 virtual byte is 4 weight units.
const SAT_PER_KWU_FOR_SAT_PER_VB: f64 = 250.0;

/// Asks the chain source for fee rates, a few times at once at most.
pub(crate) struct FeeRates {
    source: ChainSource,
    asking: Bulkhead,
}

impl FeeRates {
    /// Asks this source.
    pub(crate) fn new(source: ChainSource) -> Self {
        let asking = Bulkhead::new(MAX_ASKING, &format!("{MAX_ASKING} estimates are under way"));
        Self { source, asking }
    }

    /// Whether the source is Bitcoin Core.
    pub(crate) fn are_of_core(&self) -> bool {
        matches!(self.source, ChainSource::Bitcoind(_))
    }

    /// The estimate for each of these targets, in blocks; `None` for one without an estimate.
    pub(crate) async fn estimated(
        &self,
        targets: &'static [u16],
    ) -> Result<Vec<Option<FeeRate>>, Error> {
        let _place = self.asking.enter().await?;
        self.ask(targets).await.map_err(|error| {
            tracing::warn!(source = %self.source, %error, "cannot estimate fee rates");
            Error::Unavailable("the chain source does not answer; try again later".to_owned())
        })
    }

    async fn ask(&self, targets: &'static [u16]) -> Result<Vec<Option<FeeRate>>, RequestError> {
        match &self.source {
            ChainSource::Bitcoind(config) => by_core(config, targets).await,
            ChainSource::Esplora(config) => by_esplora(config, targets).await,
            ChainSource::Electrum(config) => by_electrum(config, targets).await,
        }
    }
}

async fn by_core(
    config: &BitcoindConfig,
    targets: &[u16],
) -> Result<Vec<Option<FeeRate>>, RequestError> {
    let asked = targets.iter().map(|target| bitcoind::sat_per_kvb(config, *target));
    let estimates = try_join_all(asked).await?;
    let per_kwu = |sat_per_kvb: u64| FeeRate::from_sat_per_kwu(sat_per_kvb.div_ceil(4));
    Ok(estimates.into_iter().map(|estimate| estimate.map(per_kwu)).collect())
}

async fn by_esplora(
    config: &EsploraConfig,
    targets: &[u16],
) -> Result<Vec<Option<FeeRate>>, RequestError> {
    let answer = esplora::get(config, "/fee-estimates").await?;
    let estimates: BTreeMap<u16, f64> = serde_json::from_str(&answer)?;
    Ok(targets.iter().map(|target| for_target(&estimates, *target)).collect())
}

/// The estimate for this target or the next nearer one, in satoshis per virtual byte.
fn for_target(estimates: &BTreeMap<u16, f64>, target: u16) -> Option<FeeRate> {
    estimates.range(..=target).next_back().and_then(|(_, rate)| fee_rate(*rate))
}

async fn by_electrum(
    config: &ElectrumConfig,
    targets: &'static [u16],
) -> Result<Vec<Option<FeeRate>>, RequestError> {
    let targets = || targets.iter().map(|target| usize::from(*target));
    let estimates =
        electrum::ask(config, move |server| server.batch_estimate_fee(targets())).await?;
    // In bitcoin per 1000 virtual bytes, and -1 for none.
    let per_vb = |btc_per_kvb: f64| btc_per_kvb * SAT_PER_BTC / VBYTES_PER_KVB;
    Ok(estimates.into_iter().map(|estimate| fee_rate(per_vb(estimate))).collect())
}

/// A fee rate, unless it is none.
fn fee_rate(sat_per_vb: f64) -> Option<FeeRate> {
    // The conversion saturates.
    let rate = || FeeRate::from_sat_per_kwu((sat_per_vb * SAT_PER_KWU_FOR_SAT_PER_VB) as u64);
    (sat_per_vb > 0.0).then(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_for_fewer_blocks_is_good_for_more() {
        let estimates: BTreeMap<u16, f64> =
            serde_json::from_str(r#"{"2": 20.0, "6": 10.5, "144": 1.0}"#).unwrap();
        let of = |target| for_target(&estimates, target).map(FeeRate::to_sat_per_kwu);
        assert_eq!(of(1), None);
        assert_eq!(of(6), Some(2_625));
        assert_eq!(of(12), Some(2_625));
        assert_eq!(of(1008), Some(250));
    }

    #[test]
    fn what_is_no_rate_is_none() {
        for none in [-1.0, 0.0, -1e5, f64::NAN] {
            assert_eq!(fee_rate(none), None, "{none}");
        }
        assert_eq!(fee_rate(f64::INFINITY), Some(FeeRate::from_sat_per_kwu(u64::MAX)));
    }
}
