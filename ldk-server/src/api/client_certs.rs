//! Certificates of clients: issuing, listing and revoking them.

use ldk_server_grpc::api::{
    IssueClientCertRequest, IssueClientCertResponse, ListClientCertsRequest,
    ListClientCertsResponse, RevokeClientCertRequest, RevokeClientCertResponse,
};
use ldk_server_grpc::types::ClientCertRecord;

use super::runes::restrictions_of;
use crate::app::App;
use crate::caller::Caller;
use crate::certificate::ClientCertificates;
use crate::error::Error;
use crate::secrets::{ClientCertificate, IssueError, Issued, Listed, RevokeError};

const DEFAULT_DAYS: u32 = 365;

pub(super) fn issue(
    app: &App,
    caller: &Caller,
    request: IssueClientCertRequest,
) -> Result<IssueClientCertResponse, Error> {
    let IssueClientCertRequest { name, restrictions, preset, days } = request;
    caller.must_be_unrestricted()?;
    let certificates = certificates(app)?;
    let restrictions: Vec<_> =
        restrictions_of(&preset, &restrictions)?.iter().map(ToString::to_string).collect();
    let restrictions = Some(restrictions.join("&")).filter(|text| !text.is_empty());
    let days = if days == 0 { DEFAULT_DAYS } else { days };
    let Issued { certificate, cert_pem, key_pem } =
        certificates.issue(&name, restrictions.as_deref(), days).map_err(refused)?;
    let (private_key_pem, serial) = (key_pem.to_string(), certificate.serial);
    Ok(IssueClientCertResponse { certificate_pem: cert_pem, private_key_pem, serial })
}

pub(super) fn list(
    app: &App,
    _: &Caller,
    ListClientCertsRequest {}: ListClientCertsRequest,
) -> Result<ListClientCertsResponse, Error> {
    let listed = certificates(app)?.list().map_err(Error::internal)?;
    Ok(ListClientCertsResponse { client_certs: listed.into_iter().map(record).collect() })
}

pub(super) fn revoke(
    app: &App,
    _: &Caller,
    RevokeClientCertRequest { name_or_serial }: RevokeClientCertRequest,
) -> Result<RevokeClientCertResponse, Error> {
    let serials = certificates(app)?.revoke(&name_or_serial).map_err(|error| match error {
        RevokeError::Unknown(_) => Error::NotFound(error.to_string()),
        RevokeError::Secret(error) => Error::internal(error),
    })?;
    Ok(RevokeClientCertResponse { serials })
}

fn certificates(app: &App) -> Result<&ClientCertificates, Error> {
    app.permissions.client_certificates.as_ref().ok_or_else(|| {
        Error::FailedPrecondition(
            "clients are not asked for certificates: set tls.client_auth in the configuration"
                .to_owned(),
        )
    })
}

/// Its texts begin with the name of the field.
fn refused(error: IssueError) -> Error {
    let field = match error {
        IssueError::Name(_) => "name",
        IssueError::Days(_) => "days",
        IssueError::Restrictions(_) => "restrictions",
        IssueError::Secret(error) => return Error::internal(error),
    };
    let text = error.to_string();
    let reason = text.strip_prefix(field).and_then(|text| text.strip_prefix(": "));
    Error::invalid(field, reason.unwrap_or(&text).to_owned())
}

fn record(Listed { certificate, is_revoked }: Listed) -> ClientCertRecord {
    let ClientCertificate { name, serial, restrictions, valid_from_secs, expires_at_secs } =
        certificate;
    ClientCertRecord {
        name,
        serial,
        restrictions: restrictions.unwrap_or_default(),
        valid_from: valid_from_secs,
        expires_at: expires_at_secs,
        revoked: is_revoked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_field_once() {
        let error = refused(IssueError::Days(0)).to_string();
        assert!(error.starts_with("days: 0 is out of range"), "{error}");
        let error = refused(IssueError::Name("a b".to_owned())).to_string();
        assert!(error.starts_with("name: \"a b\""), "{error}");
    }
}
