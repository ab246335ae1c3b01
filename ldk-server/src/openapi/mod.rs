//! The OpenAPI document, made from the descriptors, the comments of the proto files and the table of
//! calls; and the assets of the page that shows it.

mod assets;
mod comments;
mod errors;
mod examples;
mod feeds;
mod operation;
mod schema;
mod security;
mod unit;

use std::sync::LazyLock;

use ldk_server_grpc::{DESCRIPTOR_SET, SERVICE_NAME};
use prost_reflect::{DescriptorPool, ServiceDescriptor};
use serde_json::{Map, Value, json};

pub(crate) use self::assets::ASSETS;
use self::comments::Comments;
use self::examples::Examples;
use self::schema::Schemas;
use crate::access::Access;
use crate::{api, json};

/// The document as it is served.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());

/// The document, as JSON. It is made once.
pub(crate) fn text() -> &'static str {
    &DOCUMENT
}

fn document() -> Value {
    // What was compiled in can be decoded; a test makes sure of it.
    let pool = DescriptorPool::decode(DESCRIPTOR_SET).unwrap_or_default();
    let comments = Comments::of(&pool);
    let examples = Examples::recorded(&pool, &comments);
    let Some(service) = pool.get_service_by_name(SERVICE_NAME) else { return Value::Null };
    let mut schemas = Schemas::new(&comments, &examples);
    let mut paths = paths(&service, &comments, &examples, &mut schemas);
    paths.extend(feeds::paths(&mut schemas));
    let webhooks = feeds::webhooks(&mut schemas);
    let mut schemas = schemas.into_made();
    schemas.insert("Error".to_owned(), errors::schema());
    schemas.insert("EndOfStream".to_owned(), operation::end_of_stream());
    json!({
        "openapi": "3.1.0",
        "info": info(&service, &comments),
        "servers": [{ "url": "/", "description": "This node." }],
        "tags": tags(),
        "paths": paths,
        "webhooks": webhooks,
        "components": {
            "schemas": schemas,
            "responses": errors::shared(),
            "securitySchemes": security::schemes(),
        },
    })
}

fn info(service: &ServiceDescriptor, comments: &Comments) -> Value {
    let file = service.parent_file();
    let description = format!("{}\n\n{}", comments.on(&file, service.path()), comments.head(&file));
    json!({
        "title": "ldk-server",
        "version": env!("CARGO_PKG_VERSION"),
        "summary": "The API of a Lightning node",
        "description": description,
        "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
    })
}

fn paths(
    service: &ServiceDescriptor,
    comments: &Comments,
    examples: &Examples,
    schemas: &mut Schemas<'_>,
) -> Map<String, Value> {
    let mut paths = Map::new();
    for spec in api::specs() {
        let method = service.methods().find(|method| method.name() == spec.name);
        let Some(method) = method else { continue };
        let Some(path) = json::method(spec.name).map(operation::path) else { continue };
        let operation = operation::of(spec, &method, comments, examples, schemas);
        paths.insert(path, json!({ "post": operation }));
    }
    paths
}

/// The groups of calls, in the order of the table.
fn tags() -> Vec<Value> {
    let mut groups: Vec<Access> = Vec::new();
    for spec in api::specs() {
        if !groups.contains(&spec.access) {
            groups.push(spec.access);
        }
    }
    let tag = |group: Access| json!({ "name": group.name(), "description": security::description(group) });
    groups.into_iter().map(tag).collect()
}

#[cfg(test)]
mod tests;
