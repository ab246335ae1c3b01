//! The mirror of a node's database, and how far it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ldk_server_grpc::places;

use crate::network::Network;
use crate::wait::until;

const DATABASE: &str = "ldk_node_data.sqlite";
const LOG: &str = "ldk_node_data.sqlite-wal";
/// Where in the header of a log its salts are, and in that of the frame that follows.
const SALTS: std::ops::Range<usize> = 16..24;
const SALTS_OF_FRAME: std::ops::Range<usize> = 8..16;
const PATIENCE: Duration = Duration::from_secs(60);

/// The mirror of a node on regtest, in a directory beside that of the node.
pub struct Mirror {
    alias: String,
    backup: PathBuf,
    state: PathBuf,
}

impl Mirror {
    /// Makes the directory for the mirror of a node with this name.
    pub fn new(network: &Network, alias: &str) -> Result<Self> {
        let backup = network.dir().join(format!("{alias}-backup"));
        fs::create_dir(&backup)?;
        let state = places::network_dir(&network.dir().join(alias), "regtest");
        Ok(Self { alias: alias.to_owned(), backup, state })
    }

    /// What makes the node keep it, as a section of the configuration.
    pub fn section(&self) -> String {
        format!("[backup]\ndirectory = \"{}\"\n", self.backup.display())
    }

    /// The directory that the node is configured with.
    pub fn directory(&self) -> &Path {
        &self.backup
    }

    /// Where the log of the mirror is, as long as there is one.
    pub fn log(&self) -> PathBuf {
        self.files().join(LOG)
    }

    /// Waits until the mirror has all that was written to the database.
    pub async fn until_level(&self) -> Result<()> {
        let what = format!("the mirror of {} has everything", self.alias);
        until(&what, PATIENCE, async || self.is_level()).await
    }

    /// Whether the log of the mirror has all commits that are in that of the database.
    fn is_level(&self) -> Result<()> {
        let [ours, theirs] = [&self.state, &self.files()].map(|dir| fs::read(dir.join(LOG)));
        let (ours, theirs) = (ours?, theirs.context("there is no mirror yet")?);
        let more = ours.strip_prefix(theirs.as_slice()).context("it is another log")?;
        let is_same = |frame: &[u8]| frame.get(SALTS_OF_FRAME) == ours.get(SALTS);
        ensure!(!theirs.is_empty() && !is_same(more), "{} bytes are missing", more.len());
        Ok(())
    }

    /// Loses the database of the node, which is down, and puts the mirror in its place.
    pub fn take_the_place(&self) -> Result<()> {
        for file in fs::read_dir(&self.state)? {
            let file = file?;
            if file.file_name().to_string_lossy().starts_with(DATABASE) {
                fs::remove_file(file.path())?;
            }
        }
        for file in [DATABASE, LOG] {
            fs::copy(self.files().join(file), self.state.join(file))?;
        }
        Ok(())
    }

    fn files(&self) -> PathBuf {
        places::network_dir(&self.backup, "regtest")
    }
}
