//! Requests in one form: what names a default asks for the same as what leaves it out.
//!
//! Digests are made of this form, so that a program may be followed by another, or by the command-line client,
//! which names the defaults that it shows in its help.

use ldk_node::config::{ChannelConfig, MaxDustHTLCExposure};
use ldk_node::lightning::routing::router::RouteParametersConfig;
use ldk_server_grpc::api::{
    Bolt11ReceiveForHashRequest, Bolt11ReceiveRequest,
    Bolt11ReceiveVariableAmountViaJitChannelRequest, Bolt11ReceiveViaJitChannelRequest,
    Bolt11SendRequest, Bolt12ReceiveRequest, Bolt12SendRequest, CreateRefundRequest,
    LnurlPayRequest, OnchainSendRequest, OpenChannelRequest, SpliceInRequest, SpliceOutRequest,
    SpontaneousSendRequest, UnifiedSendRequest,
};
use ldk_server_grpc::types;
use ldk_server_grpc::types::bolt11_invoice_description::Kind;
use ldk_server_grpc::types::channel_config::MaxDustHtlcExposure;

use crate::app::App;

/// The expiry if the request does not set it, or sets 0: a day.
pub(super) const DEFAULT_EXPIRY_SECS: u32 = 86_400;

/// What the configuration has in place of what a request leaves out.
#[derive(Clone, Copy)]
pub(super) struct Defaults {
    /// The limits of routes.
    pub(super) route: RouteParametersConfig,
    /// The settings of channels.
    pub(super) channel: ChannelConfig,
}

impl Defaults {
    pub(super) fn of(app: &App) -> Self {
        Self { route: app.route_defaults, channel: app.channel_defaults }
    }
}

/// A request that pays.
pub(super) trait CanonicalSpend {
    /// Leaves out what names a default.
    fn leave_out_defaults(&mut self, defaults: &Defaults);
}

/// A request for an invoice or an offer.
pub(super) trait CanonicalInvoice {
    /// Leaves out what names a default.
    fn leave_out_defaults(&mut self);
}

macro_rules! routed {
    ($($request:ident)+) => {
        $(impl CanonicalSpend for $request {
            fn leave_out_defaults(&mut self, defaults: &Defaults) {
                self.route_parameters =
                    self.route_parameters.take().and_then(|limits| route(limits, &defaults.route));
            }
        })+
    };
}

routed! {
    Bolt11SendRequest
    Bolt12SendRequest
    LnurlPayRequest
    SpontaneousSendRequest
    UnifiedSendRequest
}

impl CanonicalSpend for CreateRefundRequest {
    fn leave_out_defaults(&mut self, defaults: &Defaults) {
        self.expiry_secs = self.expiry_secs.filter(|secs| *secs != DEFAULT_EXPIRY_SECS);
        self.route_parameters =
            self.route_parameters.take().and_then(|limits| route(limits, &defaults.route));
    }
}

macro_rules! without_defaults {
    ($($request:ident)+) => {
        $(impl CanonicalSpend for $request {
            fn leave_out_defaults(&mut self, _: &Defaults) {}
        })+
    };
}

without_defaults! { OnchainSendRequest SpliceInRequest SpliceOutRequest }

impl CanonicalSpend for OpenChannelRequest {
    fn leave_out_defaults(&mut self, defaults: &Defaults) {
        self.push_to_counterparty_msat = self.push_to_counterparty_msat.filter(|msat| *msat > 0);
        self.channel_config =
            self.channel_config.take().and_then(|config| channel(config, &defaults.channel));
    }
}

macro_rules! bolt11 {
    ($($request:ident)+) => {
        $(impl CanonicalInvoice for $request {
            fn leave_out_defaults(&mut self) {
                if self.expiry_secs == DEFAULT_EXPIRY_SECS {
                    self.expiry_secs = 0;
                }
                self.description = self.description.take().filter(is_description);
            }
        })+
    };
}

bolt11! {
    Bolt11ReceiveRequest
    Bolt11ReceiveForHashRequest
    Bolt11ReceiveViaJitChannelRequest
    Bolt11ReceiveVariableAmountViaJitChannelRequest
}

impl CanonicalInvoice for Bolt12ReceiveRequest {
    fn leave_out_defaults(&mut self) {}
}

/// An empty text is what is meant without a description.
fn is_description(description: &types::Bolt11InvoiceDescription) -> bool {
    match &description.kind {
        None => false,
        Some(Kind::Direct(text)) => !text.is_empty(),
        Some(Kind::Hash(_)) => true,
    }
}

/// `None` if all limits are the defaults. Only a limit on fees may be 0.
fn route(
    limits: types::RouteParametersConfig,
    defaults: &RouteParametersConfig,
) -> Option<types::RouteParametersConfig> {
    let unless = |value: u32, default: u32| if value == default { 0 } else { value };
    let has_share = limits.max_total_routing_fee_ppm.is_some();
    let limits = types::RouteParametersConfig {
        max_total_routing_fee_msat: limits
            .max_total_routing_fee_msat
            .filter(|msat| has_share || Some(*msat) != defaults.max_total_routing_fee_msat),
        max_total_cltv_expiry_delta: unless(
            limits.max_total_cltv_expiry_delta,
            defaults.max_total_cltv_expiry_delta,
        ),
        max_path_count: unless(limits.max_path_count, defaults.max_path_count.into()),
        max_channel_saturation_power_of_half: unless(
            limits.max_channel_saturation_power_of_half,
            defaults.max_channel_saturation_power_of_half.into(),
        ),
        max_total_routing_fee_ppm: limits.max_total_routing_fee_ppm,
    };
    Some(limits).filter(|limits| *limits != types::RouteParametersConfig::default())
}

/// `None` if all settings are the defaults.
fn channel(config: types::ChannelConfig, defaults: &ChannelConfig) -> Option<types::ChannelConfig> {
    let exposure = match defaults.max_dust_htlc_exposure {
        MaxDustHTLCExposure::FixedLimit { limit_msat } => {
            MaxDustHtlcExposure::FixedLimitMsat(limit_msat)
        },
        MaxDustHTLCExposure::FeeRateMultiplier { multiplier } => {
            MaxDustHtlcExposure::FeeRateMultiplier(multiplier)
        },
    };
    let config = types::ChannelConfig {
        forwarding_fee_proportional_millionths: config
            .forwarding_fee_proportional_millionths
            .filter(|fee| *fee != defaults.forwarding_fee_proportional_millionths),
        forwarding_fee_base_msat: config
            .forwarding_fee_base_msat
            .filter(|fee| *fee != defaults.forwarding_fee_base_msat),
        cltv_expiry_delta: config
            .cltv_expiry_delta
            .filter(|blocks| *blocks != u32::from(defaults.cltv_expiry_delta)),
        force_close_avoidance_max_fee_satoshis: config
            .force_close_avoidance_max_fee_satoshis
            .filter(|sats| *sats != defaults.force_close_avoidance_max_fee_satoshis),
        accept_underpaying_htlcs: config
            .accept_underpaying_htlcs
            .filter(|accepts| *accepts != defaults.accept_underpaying_htlcs),
        max_dust_htlc_exposure: config.max_dust_htlc_exposure.filter(|limit| *limit != exposure),
    };
    Some(config).filter(|config| *config != types::ChannelConfig::default())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::api) fn defaults() -> Defaults {
        Defaults { route: RouteParametersConfig::default(), channel: ChannelConfig::default() }
    }

    fn named() -> types::RouteParametersConfig {
        types::RouteParametersConfig {
            max_total_cltv_expiry_delta: 1_008,
            max_path_count: 10,
            max_channel_saturation_power_of_half: 2,
            ..Default::default()
        }
    }

    #[test]
    fn limits_that_name_the_defaults_are_none() {
        let of = |limits| route(limits, &defaults().route);
        assert_eq!(of(named()), None);
        assert_eq!(of(types::RouteParametersConfig::default()), None);
        // The most that is paid is no default, not even 0.
        let free = types::RouteParametersConfig {
            max_total_routing_fee_msat: Some(0),
            ..Default::default()
        };
        assert_eq!(
            of(types::RouteParametersConfig { max_total_routing_fee_msat: Some(0), ..named() }),
            Some(free)
        );
        let single = types::RouteParametersConfig { max_path_count: 1, ..Default::default() };
        assert_eq!(of(types::RouteParametersConfig { max_path_count: 1, ..named() }), Some(single));
    }

    #[test]
    fn the_defaults_are_those_of_the_configuration() {
        let configured = RouteParametersConfig {
            max_total_routing_fee_msat: Some(5),
            max_path_count: 3,
            ..Default::default()
        };
        let fee = |msat, ppm| types::RouteParametersConfig {
            max_total_routing_fee_msat: Some(msat),
            max_total_routing_fee_ppm: ppm,
            ..Default::default()
        };
        assert_eq!(route(fee(5, None), &configured), None);
        assert_eq!(route(fee(6, None), &configured), Some(fee(6, None)));
        // With a share, the configured limit does not count, and this one does.
        assert_eq!(route(fee(5, Some(7)), &configured), Some(fee(5, Some(7))));
        assert_eq!(route(named(), &configured).map(|limits| limits.max_path_count), Some(10));
    }

    #[test]
    fn a_channel_with_the_settings_that_all_have_is_one_without() {
        let base = defaults().channel;
        let mut open = OpenChannelRequest {
            push_to_counterparty_msat: Some(0),
            channel_config: Some(types::ChannelConfig {
                forwarding_fee_base_msat: Some(base.forwarding_fee_base_msat),
                cltv_expiry_delta: Some(base.cltv_expiry_delta.into()),
                accept_underpaying_htlcs: Some(base.accept_underpaying_htlcs),
                ..Default::default()
            }),
            ..Default::default()
        };
        open.leave_out_defaults(&defaults());
        assert_eq!(open, OpenChannelRequest::default());
        let dear = types::ChannelConfig {
            forwarding_fee_base_msat: Some(base.forwarding_fee_base_msat + 1),
            ..Default::default()
        };
        open.channel_config = Some(dear);
        open.leave_out_defaults(&defaults());
        assert_eq!(open.channel_config, Some(dear));
    }

    #[test]
    fn an_invoice_for_a_day_without_description() {
        let mut request = Bolt11ReceiveRequest {
            expiry_secs: 86_400,
            description: Some(types::Bolt11InvoiceDescription {
                kind: Some(Kind::Direct(String::new())),
            }),
            ..Default::default()
        };
        request.leave_out_defaults();
        assert_eq!(request, Bolt11ReceiveRequest::default());
        let tea = types::Bolt11InvoiceDescription { kind: Some(Kind::Direct("tea".to_owned())) };
        let mut request = Bolt11ReceiveRequest {
            expiry_secs: 86_401,
            description: Some(tea),
            ..Default::default()
        };
        let before = request.clone();
        request.leave_out_defaults();
        assert_eq!(request, before);
    }
}
