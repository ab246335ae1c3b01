//! Certificates of clients.

use clap::Args;
use ldk_server_grpc::api::{
    IssueClientCertRequest, ListClientCertsRequest, RevokeClientCertRequest,
};

unary_commands!(Commands {
    IssueClientCert => issue_client_cert,
    ListClientCerts => list_client_certs,
    RevokeClientCert => revoke_client_cert,
});

/// Issue a certificate to a client, which can show it in place of an API key
#[derive(Debug, Args)]
pub(crate) struct IssueClientCert {
    /// What the client is called: letters, digits, hyphens, underscores or dots
    name: String,
    /// Restriction in the syntax of runes, such as "group=read"; may be repeated
    #[arg(value_name = "RESTRICTION")]
    restrictions: Vec<String>,
    /// Allow a set of calls: read, invoice, pay or admin
    #[arg(long, default_value_t)]
    preset: String,
    /// Number of days that it is valid
    #[arg(long, default_value_t = 365)]
    days: u32,
}

impl From<IssueClientCert> for IssueClientCertRequest {
    fn from(IssueClientCert { name, restrictions, preset, days }: IssueClientCert) -> Self {
        Self { name, restrictions, preset, days }
    }
}

/// List the certificates that were issued to clients
#[derive(Debug, Args)]
pub(crate) struct ListClientCerts;

impl From<ListClientCerts> for ListClientCertsRequest {
    fn from(_: ListClientCerts) -> Self {
        Self {}
    }
}

/// Revoke all certificates of a client, or one of them
#[derive(Debug, Args)]
pub(crate) struct RevokeClientCert {
    /// Name of the client, or serial number of a certificate
    name_or_serial: String,
}

impl From<RevokeClientCert> for RevokeClientCertRequest {
    fn from(RevokeClientCert { name_or_serial }: RevokeClientCert) -> Self {
        Self { name_or_serial }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::{request, usage_error};

    #[test]
    fn a_certificate_is_for_a_name() {
        assert_eq!(
            request::<IssueClientCert, IssueClientCertRequest>("shop group=info --preset invoice"),
            Ok(IssueClientCertRequest {
                name: "shop".to_owned(),
                restrictions: vec!["group=info".to_owned()],
                preset: "invoice".to_owned(),
                days: 365,
            })
        );
        assert!(usage_error::<RevokeClientCert>("").contains("NAME_OR_SERIAL"));
    }
}
