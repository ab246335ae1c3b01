//! What concerns the process as a whole: panics, signals, the runtime, the exit code.

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

/// The exit code of a daemon that cannot start or go on, as the contract has it.
const FAILURE: u8 = 255;

/// The exit code of a daemon whose database cannot be written: that for errors of input and output
/// in `sysexits.h`.
const DATABASE_FAILURE: u8 = 74;

/// How long streams have to end with a reason when the process is about to.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Worker threads beyond the number of cores. The node library writes to disk on workers, and
/// disconnects every peer when its timer is not run for a second.
const SPARE_WORKERS: usize = 6;

/// Fewer open files than this are said to be few. The gRPC listener alone takes up to 1,024
/// by default.
const FEW_OPEN_FILES: u64 = 4096;

/// Signals that follow one another this closely count as one.
const SAME_SIGNAL: Duration = Duration::from_millis(100);

/// Makes every panic end the process, wherever it happens. A thread or task that dies alone would
/// leave a node that answers but no longer watches its channels.
pub fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!("panic at {place}; ending the process");
        if info.payload_as_str().is_some_and(panics::is_stale_state) {
            tracing::error!(
                "a peer has proved that the state of a channel here is too old: do not start again \
                 on it. Bring back the newest state, or run ldk-server recover"
            );
        }
        logging::flush();
        abort_soon();
        report(info);
        std::process::abort();
    }));
}

/// Ends the process in a moment, even if nobody reads what it has to say on stderr.
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

/// Lets nobody but this user read what is written from now on: the node's state holds preimages.
pub fn set_private_umask() {
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
}

/// Lets the process leave no core dump when it aborts: its memory has keys and preimages.
#[cfg(unix)]
pub fn disable_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        eprintln!("cannot forbid core dumps, which would have the node's keys in them: {error}");
    }
}

/// There is no such limit.
#[cfg(not(unix))]
pub fn disable_core_dumps() {}

/// Lets this process have as many files open as it is allowed. Each peer and each client takes one,
/// and the library panics when there is none left for a peer that connects.
#[cfg(unix)]
pub fn raise_open_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::debug!("cannot raise the limit of open files: {error}");
    }
    let Some(limit) = getrlimit(Resource::Nofile).current else { return };
    tracing::debug!("{limit} files can be open at once");
    if limit < FEW_OPEN_FILES {
        tracing::warn!(
            "only {limit} files can be open at once, which many peers and clients may use up; \
             raise the hard limit (ulimit -n, LimitNOFILE) to {FEW_OPEN_FILES} or more"
        );
    }
}

/// There is no such limit.
#[cfg(not(unix))]
pub fn raise_open_file_limit() {}

/// What to do when the database cannot be written any more: nothing that is not written may go on,
/// so callers are told that the server stops, and the process ends. The writes that wait are never
/// answered; the library would take an error for a reason to panic.
#[expect(clippy::disallowed_methods, reason = "this thread has nothing left to do but to end")]
pub fn exit_on_database_failure(serving: CancellationToken) -> impl FnOnce(&str) + Send + 'static {
    move |reason| {
        tracing::error!(
            "{reason}; ending the process. Nothing that was acknowledged is lost: remove the cause \
             and start again"
        );
        serving.cancel();
        std::thread::sleep(LAST_WORDS);
        logging::flush();
        std::process::exit(i32::from(DATABASE_FAILURE));
    }
}

/// Says on stderr and in the log why the daemon ends.
pub fn fail(error: &impl Display) -> ExitCode {
    if tracing::enabled!(tracing::Level::ERROR) {
        tracing::error!("{error}");
    } else {
        eprintln!("{error}");
    }
    ExitCode::from(FAILURE)
}

/// Replaces this process by a new one of the same program with the same arguments, under the same
/// process id. Returns only if that fails.
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

/// The runtime everything runs on.
pub fn runtime() -> io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores + SPARE_WORKERS)
        .thread_name("ldk-server")
        .enable_all()
        .build()
}

/// The signals the daemon listens to.
pub struct Signals {
    stop: CancellationToken,
}

impl Signals {
    /// Takes over SIGINT and SIGTERM, which stop the daemon (the second one at once), and SIGHUP,
    /// which opens the log file anew. A limit on the size of files does not kill it any more.
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

    /// Waits until the daemon is told to stop.
    pub fn stop(&self) -> impl Future<Output = ()> + use<> {
        self.stop.clone().cancelled_owned()
    }
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
        // It waits as long as the file takes no line.
        match spawn_blocking(move || log_file.reopen()).await {
            Ok(Ok(())) => {},
            Ok(Err(error)) => tracing::error!("cannot open the log file anew: {error}"),
            Err(error) => tracing::error!("cannot open the log file anew: {error}"),
        }
    }
}

/// SIGHUP, which tells the daemon to look at its files anew.
pub(crate) struct HangupSignals(#[cfg(unix)] Option<tokio::signal::unix::Signal>);

impl HangupSignals {
    /// Takes over the signal, which does not end the process from now on. Each listener gets all.
    #[cfg(unix)]
    pub(crate) fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let hangups = signal(SignalKind::hangup());
        Self(hangups.inspect_err(|error| tracing::error!("cannot listen to SIGHUP: {error}")).ok())
    }

    /// There is no such signal.
    #[cfg(not(unix))]
    pub(crate) fn listen() -> Self {
        Self()
    }

    /// Waits for the next; forever where there is none.
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

/// Makes a write beyond the limit on the size of files an error, as one to a full disk is, and not
/// the end of the process. The handler stays when what it returns is dropped.
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
