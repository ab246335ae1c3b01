//! Certificates of clients.

use anyhow::{Result, ensure};
use serde_json::json;

use super::faces::Faces;

pub(super) async fn compare(faces: &mut Faces<'_>) -> Result<()> {
    let request = |face| json!({ "name": format!("client-{face}"), "preset": "read", "days": 3 });
    let volatile = [
        ("certificate_pem", "is for a new key"),
        ("private_key_pem", "is a new key"),
        ("serial", "is a random number"),
    ];
    faces.each("IssueClientCert", request, &volatile).await?;
    let listed = faces.read("ListClientCerts", json!({}), &[]).await?;
    ensure!(listed["client_certs"].as_array().is_some_and(|all| all.len() >= 3), "{listed}");
    let request = |face| json!({ "name_or_serial": format!("client-{face}") });
    let volatile = [("serials", "are random numbers")];
    faces.each("RevokeClientCert", request, &volatile).await?;
    Ok(())
}
