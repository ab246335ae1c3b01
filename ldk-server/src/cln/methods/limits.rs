//! What a payment may cost, and how long it may be tried.

use std::time::Duration;

use ldk_server_grpc::types::RouteParametersConfig;

use crate::cln::args::{Args, Msat};
use crate::cln::error::RpcError;

/// The most that a route may cost.
pub(super) enum FeeLimit {
    Msat(u64),
    /// A share of the amount, or an amount below which fees need no share.
    Share {
        percent: f64,
        exempt_msat: u64,
    },
}

impl FeeLimit {
    /// The limit of `xpay` and `xkeysend`.
    pub(super) fn of_xpay(args: &Args) -> Result<Self, RpcError> {
        let share = Self::Share { percent: 1.0, exempt_msat: 5_000 };
        Ok(args.optional::<Msat>("maxfee")?.map_or(share, |msat| Self::Msat(msat.0)))
    }

    /// The limit of `pay` and `keysend`.
    pub(super) fn of_pay(args: &Args) -> Result<Self, RpcError> {
        let max_fee = args.optional::<Msat>("maxfee")?;
        let percent: Option<f64> = args.optional("maxfeepercent")?;
        let exempt = args.optional::<Msat>("exemptfee")?;
        match max_fee {
            Some(_) if percent.is_some() || exempt.is_some() => Err(RpcError::params(
                "If you specify maxfee, cannot specify maxfeepercent or exemptfee.",
            )),
            Some(Msat(msat)) => Ok(Self::Msat(msat)),
            None => Ok(Self::Share {
                percent: percent.unwrap_or(0.5),
                exempt_msat: exempt.map_or(5_000, |msat| msat.0),
            }),
        }
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of an amount is rounded down, and a cast of a float saturates"
    )]
    pub(super) fn msat(&self, amount_msat: u64) -> u64 {
        match *self {
            Self::Msat(msat) => msat,
            Self::Share { percent, exempt_msat } => {
                exempt_msat.max((amount_msat as f64 * percent / 100.0) as u64)
            },
        }
    }
}

/// The limits of a payment.
pub(super) struct Limits {
    pub(super) fee: FeeLimit,
    max_delay_blocks: u32,
    /// After this nothing more is tried. What is under way is waited for.
    pub(super) retry_for: Duration,
}

impl Limits {
    pub(super) fn read(args: &Args, fee: FeeLimit) -> Result<Self, RpcError> {
        const DEFAULT_RETRY_SECS: u32 = 60;
        let retry_secs = args.optional::<u32>("retry_for")?.unwrap_or(DEFAULT_RETRY_SECS);
        Ok(Self {
            fee,
            max_delay_blocks: args.optional::<u16>("maxdelay")?.unwrap_or_default().into(),
            retry_for: Duration::from_secs(retry_secs.into()),
        })
    }

    /// As the API has them.
    pub(super) fn route(&self, amount_msat: u64) -> RouteParametersConfig {
        RouteParametersConfig {
            max_total_routing_fee_msat: Some(self.fee.msat(amount_msat)),
            max_total_cltv_expiry_delta: self.max_delay_blocks,
            ..Default::default()
        }
    }
}
