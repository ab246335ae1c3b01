//! The commands of docs/paying.md, executed as they are written.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e_tests::{Network, Node, print_uncaptured, run};
use tokio::process::Command;

const DOCUMENT: &str = include_str!("../../../../docs/paying.md");
const PATIENCE: Duration = Duration::from_secs(120);

/// A function of the shell that calls the command-line client for this node.
fn function(script: &mut String, node: &Node) -> Result<()> {
    let (client, config) = (node.cli_command(&[]), node.config_file().display().to_string());
    let program = client.as_std().get_program().to_string_lossy().into_owned();
    writeln!(script, "{}() {{ '{program}' --config '{config}' \"$@\"; }}", node.alias())?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_document_works() -> Result<()> {
    let network = Network::start().await?;
    let [alice, bob] = network.funded_pair(1_000_000).await?;
    let mut script = String::new();
    function(&mut script, &alice)?;
    function(&mut script, &bob)?;
    let blocks = DOCUMENT.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    let blocks: Vec<_> = blocks.collect();
    ensure!(blocks.len() > 5, "{blocks:?}");
    script.push_str(&blocks.concat());
    let mut bash = Command::new("bash");
    bash.current_dir(network.dir()).args(["-euxo", "pipefail", "-c", &script]);
    bash.env("BOB_ID", bob.id());
    run(bash, PATIENCE).await?.success()?;
    print_uncaptured(&format!("{} blocks of docs/paying.md were executed", blocks.len()));
    network.stop().await
}
