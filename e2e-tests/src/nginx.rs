//! A proxy in front of a node, as operators have one: a real nginx.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use ldk_server_client::Client;
use ldk_server_grpc::places::{self, Places};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::command_output::run_in_view;
use crate::node_config::NodeConfig;
use crate::ports::Port;
use crate::process::{Group, Log, Process};
use crate::tools::repository;

const INSTALL_PATIENCE: Duration = Duration::from_secs(300);
const START_PATIENCE: Duration = Duration::from_secs(30);

/// A running nginx that passes gRPC on to a node, with the node's own certificate. Dropping it
/// kills it.
pub struct Nginx {
    port: Port,
    places: Places,
    _process: Process,
}

impl Nginx {
    /// Starts one in front of a node that has been started, which may stop and start again.
    pub async fn before(node: &NodeConfig) -> Result<Self> {
        let port = Port::claim()?;
        let dir = node.storage_dir.join("nginx");
        fs::create_dir_all(&dir)?;
        fs::write(dir.join("nginx.conf"), configuration(node, &port))?;
        let mut command = Command::new(nginx().await?);
        command.arg("-e").arg("stderr").arg("-p").arg(&dir).args(["-c", "nginx.conf"]);
        let log = Log::new(dir.join("output.log"));
        let mut process = Process::spawn("nginx", command, &log, Group::Shared)?;
        process
            .until("nginx listens", START_PATIENCE, async || {
                Ok(TcpStream::connect(port.address()).await.map(drop)?)
            })
            .await?;
        let mut places = Places::of_storage_dir(&node.storage_dir, "regtest");
        places.address = port.address();
        Ok(Self { port, places, _process: process })
    }

    /// `host:port` of this side.
    pub fn address(&self) -> String {
        self.port.address()
    }

    /// A client that reaches the node through it.
    pub fn client(&self) -> Result<Client> {
        Ok(Client::from_places(&self.places)?)
    }
}

/// Finds one with `contrib/get-nginx.sh`, which installs one if need be; once in a process.
async fn nginx() -> Result<&'static PathBuf> {
    static NGINX: OnceCell<PathBuf> = OnceCell::const_new();
    NGINX
        .get_or_try_init(async || {
            let script = Command::new(repository().join("contrib/get-nginx.sh"));
            let printed = run_in_view(script, Group::Shared, INSTALL_PATIENCE).await?.success()?;
            Ok(PathBuf::from(printed.trim_end()))
        })
        .await
}

/// All that nginx writes is in its own directory, and it is one process.
fn configuration(node: &NodeConfig, port: &Port) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {kind};\n"))
        .concat();
    format!(
        "daemon off;\n\
         master_process off;\n\
         pid nginx.pid;\n\
         events {{}}\n\
         http {{\n\
         {temporary}\
         \x20   access_log off;\n\
         \x20   server {{\n\
         \x20       listen {} ssl http2;\n\
         \x20       ssl_certificate {};\n\
         \x20       ssl_certificate_key {};\n\
         \x20       location /v1/ {{\n\
         \x20           proxy_pass https://{};\n\
         \x20           proxy_http_version 1.1;\n\
         \x20           proxy_set_header Host $http_host;\n\
         \x20       }}\n\
         \x20       location / {{\n\
         \x20           grpc_pass grpcs://{};\n\
         \x20           grpc_read_timeout 1h;\n\
         \x20       }}\n\
         \x20   }}\n\
         }}\n",
        port.address(),
        places::tls_cert_file(&node.storage_dir).display(),
        places::tls_key_file(&node.storage_dir).display(),
        node.grpc.address(),
        node.grpc.address(),
    )
}
