//! The process: panics, signals, the runtime, exit codes.

use std::fmt::Display;
use std::future::Future;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::compat::panics;
use crate::logging::{self, LogFile};

/// The exit code of a daemon that cannot start or continue, as in LDK Server.
const FAILURE: u8 = 255;

/// The exit code of a daemon whose database cannot be written: `EX_IOERR` of `sysexits.h`.
const DATABASE_FAILURE: u8 = 74;

/// How long streams have to end with a status before the process ends.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Worker threads beyond the number of cores. The node library writes to disk on workers, and
/// disconnects every peer when its timer is not run for a second.
const SPARE_WORKERS: usize = 6;

/// A lower limit of open files causes a warning. The gRPC listener alone uses up to 1,024 by
/// default.
const FEW_OPEN_FILES: u64 = 4096;

/// Signals within this time count as one.
const SAME_SIGNAL: Duration = Duration::from_millis(100);

/// Makes every panic end the process. If only a thread or task ended, the node might still answer but
/// no longer watch its channels.
pub fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(location = place, "panic; ending the process");
        if info.payload_as_str().is_some_and(panics::is_stale_state) {
            tracing::error!(
                "a peer has proved that the state of a channel is too old: do not start from this \
                 state again. Restore the newest state, or run ldk-server recover"
            );
        }
        logging::flush();
        abort_soon();
        report(info);
        std::process::abort();
    }));
}

/// Ends the process in a moment, even if the output to stderr blocks.
#[expect(clippy::disallowed_methods, reason = "the thread is there to wait")]
fn abort_soon() {
    let waiting = std::thread::Builder::new().spawn(|| {
        std::thread::sleep(LAST_WORDS);
        std::process::abort();
    });
    if waiting.is_err() {
        std::process::abort();
    }
}

/// Makes files that are created from now on readable by this user only: the state contains preimages.
pub fn set_private_umask() {
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
}

/// Disables core dumps, which would contain keys and preimages.
#[cfg(unix)]
pub fn disable_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        eprintln!("cannot disable core dumps, which would contain the node's keys: {error}");
    }
}

/// There is no such limit.
#[cfg(not(unix))]
pub fn disable_core_dumps() {}

/// Raises the limit of open files to the maximum that is allowed. Each peer and each client uses
/// some, and the library panics if there is none left for a peer that connects.
#[cfg(unix)]
pub fn raise_open_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::debug!(%error, "cannot raise the limit of open files");
    }
    let Some(limit) = getrlimit(Resource::Nofile).current else { return };
    tracing::debug!(limit, "limit of open files");
    if limit < FEW_OPEN_FILES {
        tracing::warn!(
            limit,
            "the limit of open files is low for many peers and clients; raise the hard limit \
             (ulimit -n, LimitNOFILE) to {FEW_OPEN_FILES} or more"
        );
    }
}

/// There is no such limit.
#[cfg(not(unix))]
pub fn raise_open_file_limit() {}

/// Ends the process when the database cannot be written any more, after streams have ended with a
/// status. The writes that wait are never answered: an error would make the library panic.
#[expect(clippy::disallowed_methods, reason = "this thread has nothing left to do but to end")]
pub fn exit_on_database_failure(serving: CancellationToken) -> impl FnOnce(&str) + Send + 'static {
    move |reason| {
        tracing::error!(
            %reason,
            "ending the process. Nothing that was acknowledged is lost: remove the cause and start \
             again"
        );
        serving.cancel();
        std::thread::sleep(LAST_WORDS);
        logging::flush();
        std::process::exit(i32::from(DATABASE_FAILURE));
    }
}

/// Reports why the daemon ends, on stderr and in the log, and returns the exit code.
pub fn fail(error: &impl Display) -> ExitCode {
    if tracing::enabled!(tracing::Level::ERROR) {
        tracing::error!("{error}");
    } else {
        eprintln!("{error}");
    }
    ExitCode::from(FAILURE)
}

/// Executes the same program with the same arguments in this process. Returns only if that fails.
pub fn restart() -> io::Error {
    logging::flush();
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let mut command = std::process::Command::new(program);
    command.args(std::env::args_os().skip(1));
    #[cfg(unix)]
    return std::os::unix::process::CommandExt::exec(&mut command);
    #[cfg(not(unix))]
    return io::Error::other("start the daemon again: bitcoind has a new cookie");
}

/// Creates the Tokio runtime.
pub fn runtime() -> io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores + SPARE_WORKERS)
        .thread_name("ldk-server")
        .enable_all()
        .build()
}

/// The signals that the daemon handles.
pub struct Signals {
    stop: CancellationToken,
}

impl Signals {
    /// Handles SIGINT and SIGTERM, which stop the daemon (the second one at once), and SIGHUP, which
    /// reopens the log file. Ignores SIGXFSZ.
    pub fn install(log_file: Option<LogFile>) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let cancel = stop.clone();
        let mut terminations = TerminationSignals::install()?;
        tokio::spawn(async move {
            terminations.next().await;
            tracing::info!("stopping");
            cancel.cancel();
            // `timeout` and some supervisors send the signal to the process and again to its group.
            while tokio::time::timeout(SAME_SIGNAL, terminations.next()).await.is_ok() {}
            tracing::info!("still stopping; a second signal ends the process at once");
            terminations.next().await;
            tracing::warn!("second signal; ending at once");
            logging::flush();
            std::process::exit(i32::from(FAILURE));
        });
        tokio::spawn(reopen(log_file, HangupSignals::listen()));
        survive_file_size_limit()?;
        Ok(Self { stop })
    }

    /// Waits for the first signal that stops the daemon.
    pub fn stop(&self) -> impl Future<Output = ()> + use<> {
        self.stop.clone().cancelled_owned()
    }
}

/// Sends the signal that stops the daemon to the daemon itself.
pub(crate) fn ask_to_stop() -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::process::{Signal, getpid, kill_process};
        Ok(kill_process(getpid(), Signal::TERM)?)
    }
    #[cfg(not(unix))]
    Err(io::Error::other("there are no signals; end the process"))
}

#[cfg(unix)]
struct TerminationSignals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl TerminationSignals {
    fn install() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {},
            _ = self.terminate.recv() => {},
        }
    }
}

async fn reopen(log_file: Option<LogFile>, mut hangups: HangupSignals) {
    loop {
        hangups.next().await;
        let Some(log_file) = log_file.clone() else { continue };
        // This blocks while a line is being written.
        match spawn_blocking(move || log_file.reopen()).await {
            Ok(Ok(())) => {},
            Ok(Err(error)) => tracing::error!(%error, "cannot reopen the log file"),
            Err(error) => tracing::error!(%error, "cannot reopen the log file"),
        }
    }
}

/// SIGHUP, on which the daemon reads its files again.
pub(crate) struct HangupSignals(#[cfg(unix)] Option<tokio::signal::unix::Signal>);

impl HangupSignals {
    /// Handles the signal, which does not end the process from now on. Each listener gets every one.
    #[cfg(unix)]
    pub(crate) fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let hangups = signal(SignalKind::hangup());
        Self(hangups.inspect_err(|error| tracing::error!(%error, "cannot handle SIGHUP")).ok())
    }

    /// There is no such signal.
    #[cfg(not(unix))]
    pub(crate) fn listen() -> Self {
        Self()
    }

    /// Waits for the next signal; forever where there is none.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(hangups) = &mut self.0
            && hangups.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

/// Handles SIGXFSZ, so that a write beyond the limit of the file size is an error in place of the end
/// of the process. The handler stays when the returned value is dropped.
#[cfg(unix)]
fn survive_file_size_limit() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())).map(drop)
}

#[cfg(not(unix))]
fn survive_file_size_limit() -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
struct TerminationSignals;

#[cfg(not(unix))]
impl TerminationSignals {
    fn install() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
