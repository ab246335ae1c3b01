use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::*;
use crate::config::Args;

const PATIENCE: Duration = Duration::from_secs(30);

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A daemon whose chain source is not there, so that its start takes for ever.
fn config(dir: &Path, port: u16) -> Config {
    let file = dir.join("config.toml");
    let text = format!(
        "[node]\nnetwork = \"regtest\"\ngrpc_service_address = \"127.0.0.1:{port}\"\n\
         [storage.disk]\ndir_path = \"{}\"\n\
         [bitcoind]\nrpc_address = \"127.0.0.1:{}\"\nrpc_user = \"a\"\nrpc_password = \"b\"\n",
        dir.display(),
        free_port()
    );
    fs::write(&file, text).unwrap();
    let config = Config::load(&Args::try_parse_from([Path::new("ldk-server"), &file]).unwrap());
    let config = config.unwrap();
    crate::storage::create_dirs(&config.network_dir()).unwrap();
    config
}

#[tokio::test]
async fn a_start_that_is_interrupted_leaves_nothing() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for _ in 0..2 {
        let listens = async {
            while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let started = Server::start(config(dir.path(), port), listens).await;
        assert!(matches!(started, Err(StartError::Interrupted)));
        let begun = Instant::now();
        while tasks() > before {
            assert!(begun.elapsed() < PATIENCE, "{} tasks are left", tasks() - before);
            sleep(Duration::from_millis(10)).await;
        }
        // The port is free, and so is the state, for the next round.
        drop(TcpListener::bind(("127.0.0.1", port)).unwrap());
    }
}
