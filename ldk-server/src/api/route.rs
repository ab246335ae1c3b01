//! Limits for the route of a payment, the same in every call that pays over Lightning.

use ldk_node::lightning::routing::router::RouteParametersConfig;
use ldk_server_grpc::types;

use crate::error::Error;
use crate::ops::route::{MILLION, RouteLimits};

/// The limits of a request. The configured limit replaces one that is not set, or is 0, which is the
/// same on the wire; only a fee limit of 0 is taken literally. Either fee limit replaces the configured one.
pub(super) fn limits(
    defaults: RouteParametersConfig,
    parameters: Option<types::RouteParametersConfig>,
) -> Result<RouteLimits, Error> {
    let types::RouteParametersConfig {
        max_total_routing_fee_msat,
        max_total_cltv_expiry_delta,
        max_path_count,
        max_channel_saturation_power_of_half,
        max_total_routing_fee_ppm,
    } = parameters.unwrap_or_default();
    let max_fee_ppm = max_total_routing_fee_ppm.map(ppm).transpose()?;
    let default_fee_msat = defaults.max_total_routing_fee_msat.filter(|_| max_fee_ppm.is_none());
    let config = RouteParametersConfig {
        max_total_routing_fee_msat: max_total_routing_fee_msat.or(default_fee_msat),
        max_total_cltv_expiry_delta: match max_total_cltv_expiry_delta {
            0 => defaults.max_total_cltv_expiry_delta,
            blocks => blocks,
        },
        max_path_count: byte(
            "route_parameters.max_path_count",
            max_path_count,
            defaults.max_path_count,
        )?,
        max_channel_saturation_power_of_half: byte(
            "route_parameters.max_channel_saturation_power_of_half",
            max_channel_saturation_power_of_half,
            defaults.max_channel_saturation_power_of_half,
        )?,
    };
    Ok(RouteLimits::new(config, max_fee_ppm))
}

fn ppm(value: u32) -> Result<u32, Error> {
    if value <= MILLION {
        return Ok(value);
    }
    let reason = format!("{value} is more than the whole amount; at most {MILLION}");
    Err(Error::invalid("route_parameters.max_total_routing_fee_ppm", reason))
}

fn byte(field: &'static str, value: u32, default: u8) -> Result<u8, Error> {
    match value {
        0 => Ok(default),
        value => u8::try_from(value).map_err(|_| {
            Error::invalid(field, format!("{value} is too large; at most {}", u8::MAX))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIGURED: RouteParametersConfig = RouteParametersConfig {
        max_total_routing_fee_msat: Some(5),
        max_total_cltv_expiry_delta: 500,
        max_path_count: 3,
        max_channel_saturation_power_of_half: 0,
    };

    /// The limits for an amount of a million.
    fn of_million(
        defaults: RouteParametersConfig,
        parameters: Option<types::RouteParametersConfig>,
    ) -> RouteParametersConfig {
        limits(defaults, parameters).unwrap().for_amount(1_000_000)
    }

    fn parsed(parameters: types::RouteParametersConfig) -> RouteParametersConfig {
        of_million(RouteParametersConfig::default(), Some(parameters))
    }

    /// The library's type cannot be compared.
    fn shown(limits: RouteParametersConfig) -> String {
        format!("{limits:?}")
    }

    fn refusal(parameters: types::RouteParametersConfig) -> String {
        limits(CONFIGURED, Some(parameters)).unwrap_err().to_string()
    }

    #[test]
    fn unset_limits_are_the_safe_ones() {
        let parsed = parsed(types::RouteParametersConfig::default());
        assert_eq!(parsed.max_total_routing_fee_msat, None);
        assert_eq!(parsed.max_channel_saturation_power_of_half, 2);
        assert_eq!(parsed.max_path_count, 10);
        assert_eq!(parsed.max_total_cltv_expiry_delta, 1008);
    }

    #[test]
    fn unset_limits_are_the_configured_ones_field_by_field() {
        assert_eq!(shown(of_million(CONFIGURED, None)), shown(CONFIGURED));
        let parameters = types::RouteParametersConfig { max_path_count: 7, ..Default::default() };
        let parsed = of_million(CONFIGURED, Some(parameters));
        assert_eq!(shown(parsed), shown(RouteParametersConfig { max_path_count: 7, ..CONFIGURED }));
        let max_total_routing_fee_msat = Some(0);
        let parameters =
            types::RouteParametersConfig { max_total_routing_fee_msat, ..Default::default() };
        let parsed = of_million(CONFIGURED, Some(parameters));
        assert_eq!(
            shown(parsed),
            shown(RouteParametersConfig { max_total_routing_fee_msat, ..CONFIGURED })
        );
    }

    #[test]
    fn limits_are_taken_as_they_are() {
        let parsed = parsed(types::RouteParametersConfig {
            max_total_routing_fee_msat: Some(0),
            max_total_cltv_expiry_delta: u32::MAX,
            max_path_count: 255,
            max_channel_saturation_power_of_half: 1,
            max_total_routing_fee_ppm: Some(3),
        });
        assert_eq!(parsed.max_total_routing_fee_msat, Some(0));
        assert_eq!(parsed.max_total_cltv_expiry_delta, u32::MAX);
        assert_eq!(parsed.max_path_count, 255);
        assert_eq!(parsed.max_channel_saturation_power_of_half, 1);
    }

    #[test]
    fn either_fee_limit_replaces_the_configured_one() {
        let limit_msat = |max_total_routing_fee_msat, max_total_routing_fee_ppm| {
            let parameters = types::RouteParametersConfig {
                max_total_routing_fee_msat,
                max_total_routing_fee_ppm,
                ..Default::default()
            };
            of_million(CONFIGURED, Some(parameters)).max_total_routing_fee_msat
        };
        assert_eq!(limit_msat(None, None), Some(5));
        assert_eq!(limit_msat(None, Some(10_000)), Some(10_000));
        assert_eq!(limit_msat(Some(7), Some(10_000)), Some(7));
        assert_eq!(limit_msat(Some(70_000), Some(10_000)), Some(10_000));
    }

    #[test]
    fn limits_must_fit() {
        let share = types::RouteParametersConfig {
            max_total_routing_fee_ppm: Some(1_000_001),
            ..Default::default()
        };
        assert!(refusal(share).contains("route_parameters.max_total_routing_fee_ppm: 1000001"));
        let paths = types::RouteParametersConfig { max_path_count: 256, ..Default::default() };
        assert!(refusal(paths).contains("route_parameters.max_path_count: 256"));
        let parts = types::RouteParametersConfig {
            max_channel_saturation_power_of_half: u32::MAX,
            ..Default::default()
        };
        assert!(refusal(parts).contains("max_channel_saturation_power_of_half: 4294967295"));
    }
}
