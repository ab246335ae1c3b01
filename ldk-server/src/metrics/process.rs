//! Metrics of the process and the build.

use prometheus::{IntGauge, Opts};

use super::page::Page;

pub(super) fn add(page: &Page) -> prometheus::Result<()> {
    let build = Opts::new("ldk_server_build_info", "Always 1; the labels tell what was built.")
        .const_label("version", env!("CARGO_PKG_VERSION"));
    let build = match ldk_server_version::COMMIT {
        Some(commit) => build.const_label("commit", commit),
        None => build,
    };
    let build = IntGauge::with_opts(build)?;
    build.set(1);
    page.counted(Box::new(build))?;
    add_usage(page)
}

#[cfg(target_os = "linux")]
fn add_usage(page: &Page) -> prometheus::Result<()> {
    use prometheus::process_collector::ProcessCollector;

    let pid = std::process::id().try_into().unwrap_or_default();
    page.counted(Box::new(ProcessCollector::new(pid, "ldk_server")))
}

#[cfg(not(target_os = "linux"))]
fn add_usage(_: &Page) -> prometheus::Result<()> {
    Ok(())
}
