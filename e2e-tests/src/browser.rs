//! A browser for tests of pages.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::command_output::run_in_view;
use crate::process::Group;
use crate::tools::repository;

const INSTALL_PATIENCE: Duration = Duration::from_secs(600);

/// The browsers that tests use.
pub struct Browser;

impl Browser {
    /// Finds a Chromium with `contrib/get-chromium.sh`, which installs one if need be; once in a process.
    pub async fn chromium() -> Result<&'static PathBuf> {
        static CHROMIUM: OnceCell<PathBuf> = OnceCell::const_new();
        CHROMIUM
            .get_or_try_init(async || {
                let script = Command::new(repository().join("contrib/get-chromium.sh"));
                let printed = run_in_view(script, Group::Shared, INSTALL_PATIENCE).await?;
                Ok(PathBuf::from(printed.success()?.trim_end()))
            })
            .await
    }
}
