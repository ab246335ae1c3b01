//! A client from what a server leaves on disk.

use std::fs;

use ldk_server_client::api::GetNodeInfoRequest;
use ldk_server_client::{Client, Error};
use ldk_server_grpc::api::lightning_node_server::LightningNode;
use ldk_server_grpc::places;
use tokio::time::timeout;

use crate::server::{API_KEY, DEADLINE, TestServer};

struct Stub;

impl LightningNode for Stub {}

#[tokio::test]
async fn the_configuration_file_of_a_server_is_enough() {
    let server = TestServer::start(Stub).await;
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.toml");
    let text = format!(
        "[node]\nnetwork = \"regtest\"\ngrpc_service_address = \"{}\"\n[storage.disk]\ndir_path = {:?}\n",
        server.address,
        dir.path(),
    );
    fs::write(&config, text).unwrap();
    fs::create_dir(places::network_dir(dir.path(), "regtest")).unwrap();
    fs::write(places::api_key_file(dir.path(), "regtest"), hex::decode(API_KEY).unwrap()).unwrap();
    fs::write(places::tls_cert_file(dir.path()), &server.pem).unwrap();

    let client = Client::from_config_file(&config).unwrap();
    let answer = timeout(DEADLINE, client.get_node_info(GetNodeInfoRequest {})).await.unwrap();
    assert!(matches!(answer, Err(Error::Unimplemented(_))), "{answer:?}");
    Client::from_storage_dir(dir.path(), "regtest").unwrap();
}

#[tokio::test]
async fn a_missing_key_is_a_configuration_error_that_names_where_it_was_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let error = Client::from_storage_dir(dir.path(), "signet").unwrap_err();
    assert!(matches!(error, Error::Configuration(_)), "{error:?}");
    let looked_at = places::api_key_file(dir.path(), "signet").display().to_string();
    assert!(error.to_string().contains(&looked_at), "{error}");
}
