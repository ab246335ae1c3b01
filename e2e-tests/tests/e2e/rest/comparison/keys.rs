//! Runes and API keys, and what is recorded of the calls.

use anyhow::{Result, ensure};
use serde_json::json;

use super::faces::{Faces, Volatile, text_of};

const SHOWN_ONCE: Volatile = ("api_key", "is a new secret");
const COUNTED: [Volatile; 2] = [
    ("uses", "every call with the rune is counted"),
    ("last_used_at", "every call with the rune is a use"),
];

pub(super) async fn compare(faces: &mut Faces<'_>) -> Result<()> {
    runes(faces).await?;
    api_keys(faces).await?;
    let request = json!({ "method": "OnchainReceive", "page_size": 5 });
    let audit = faces.read("ListAuditEntries", request, &[]).await?;
    let entries = audit["entries"].as_array().map_or(0, Vec::len);
    ensure!(entries >= 3, "{audit}");
    Ok(())
}

async fn runes(faces: &mut Faces<'_>) -> Result<()> {
    let request = |_| json!({ "restrictions": ["group=read"], "label": "reader" });
    let volatile = [("rune", "is a new secret"), ("id", "is the next number")];
    let made = faces.each("CreateRune", request, &volatile).await?;
    let ids = made.iter().map(|answer| text_of(answer, "id")).collect::<Result<Vec<_>>>()?;
    faces.each("RevokeRune", |face| json!({ "first_id": ids[face] }), &[]).await?;
    let runes = faces.read("ListRunes", json!({}), &COUNTED).await?;
    ensure!(runes["runes"].as_array().is_some_and(|runes| runes.len() > 3), "{runes}");
    let request = json!({ "rune": faces.rune(), "method": "Bolt11Send" });
    let checked = faces.read("CheckRune", request, &[]).await?;
    ensure!(checked["allowed"] == true, "{checked}");
    Ok(())
}

async fn api_keys(faces: &mut Faces<'_>) -> Result<()> {
    let named = |face| json!({ "name": format!("key-{face}") });
    let request = |face| {
        let mut request = named(face);
        request["restrictions"] = json!(["group=read"]);
        request
    };
    faces.each("CreateApiKey", request, &[SHOWN_ONCE]).await?;
    faces.each("RotateApiKey", named, &[SHOWN_ONCE]).await?;
    let keys = faces.read("ListApiKeys", json!({}), &[]).await?;
    ensure!(keys["api_keys"].as_array().is_some_and(|keys| keys.len() == 4), "{keys}");
    faces.each("RevokeApiKey", named, &[]).await?;
    Ok(())
}
