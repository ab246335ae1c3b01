//! The command line. Every key of the configuration is also a flag and an environment variable; the
//! flag takes precedence over the variable.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use clap_complete::Shell;

use super::keys::{Definition, KEYS, Kind};

const CONFIG_FILE: &str = "config_file";
const CHECK_CONFIG: &str = "check-config";
const PRINT_DEFAULT_CONFIG: &str = "print-default-config";
const RENEW_CERTIFICATE: &str = "renew-certificate";
const PRINT_COMPLETIONS: &str = "print-completions";
const PRINT_MAN_PAGE: &str = "print-man-page";
const LIBRARY_STORE: &str = "library-store";
const WITHOUT_PEER_GATE: &str = "without-peer-gate";

const RESTORE: &str = "restore";
const RECOVER_NODE: &str = "recover";
const MIGRATE_STORAGE: &str = "migrate-storage";
const TO: &str = "to";
const BACKUP: &str = "backup-file";
const IDENTITY_FILE: &str = "identity-file";
const PASSPHRASE_FILE: &str = "passphrase-file";
const RECOVER: &str = "recover";
const CLOSE_ALL_CHANNELS: &str = "close-all-channels";
const ACCEPT_OLD_STATE: &str = "accept-old-state";

/// The parsed command line.
pub struct Args {
    matches: ArgMatches,
    subcommand: Option<Command>,
}

/// What the program does in place of running the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Checks the configuration and prints it.
    CheckConfig,
    /// Prints a configuration file with every key.
    PrintDefaultConfig,
    /// Makes another certificate for the same key.
    RenewCertificate,
    /// Prints the completion script for a shell.
    PrintCompletions(Shell),
    /// Prints the manual page.
    PrintManPage,
    /// Restores a backup.
    Restore(RestoreArgs),
    /// Has the peers close all channels.
    Recover,
    /// Moves the state of the node to another database.
    MigrateStorage(StorageKind),
}

/// Where the state of a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum StorageKind {
    /// In PostgreSQL.
    Postgres,
    /// In an SQLite file in the storage directory.
    Sqlite,
}

/// The arguments of `restore`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreArgs {
    /// The backup, or the database of a mirror.
    pub file: PathBuf,
    /// The file of the secret key that decrypts the backup.
    pub identity_file: Option<PathBuf>,
    /// The file of the passphrase that decrypts the backup.
    pub passphrase_file: Option<PathBuf>,
    /// Whether the peers close the channels.
    pub recover: bool,
    /// The words that accept an old state.
    pub accept_old_state: Option<String>,
}

/// Where the value of a flag comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArgSource {
    Flag,
    Variable,
}

impl Args {
    /// Parses the arguments of this process. Ends it on an error, and after `--help`.
    pub fn parse() -> Self {
        Self::of(Self::parser().get_matches())
    }

    /// Parses these arguments, of which the first is the name of the program, and the environment.
    pub fn try_parse_from<T: Into<OsString> + Clone>(
        args: impl IntoIterator<Item = T>,
    ) -> Result<Self, clap::Error> {
        Self::parser().try_get_matches_from(args).map(Self::of)
    }

    fn of(matches: ArgMatches) -> Self {
        let (matches, subcommand) = match matches.subcommand() {
            Some((RESTORE, restore)) => {
                (restore.clone(), Some(Command::Restore(restore_args(restore))))
            },
            Some((MIGRATE_STORAGE, migrate)) => {
                let to = migrate.get_one(TO).copied();
                (migrate.clone(), to.map(Command::MigrateStorage))
            },
            Some((_, recover)) => (recover.clone(), Some(Command::Recover)),
            None => (matches, None),
        };
        Self { matches, subcommand }
    }

    /// The parser of the command line.
    pub fn parser() -> clap::Command {
        let command = clap::Command::new("ldk-server")
            .version(ldk_server_version::VERSION)
            .about("A standalone Lightning node with a gRPC API")
            .args([
                Arg::new(CHECK_CONFIG)
                    .long(CHECK_CONFIG)
                    .action(ArgAction::SetTrue)
                    .help("Check the configuration, and print the value and the source of each key"),
                Arg::new(PRINT_DEFAULT_CONFIG)
                    .long(PRINT_DEFAULT_CONFIG)
                    .action(ArgAction::SetTrue)
                    .help("Print a configuration file with every key, explained"),
                Arg::new(RENEW_CERTIFICATE)
                    .long(RENEW_CERTIFICATE)
                    .action(ArgAction::SetTrue)
                    .help(
                        "Create another self-signed certificate for the same key and the configured \
                         hosts; a running daemon loads it within seconds",
                    ),
                Arg::new(PRINT_COMPLETIONS)
                    .long(PRINT_COMPLETIONS)
                    .value_name("SHELL")
                    .value_parser(value_parser!(Shell))
                    .help("Print the completion script for a shell"),
                Arg::new(PRINT_MAN_PAGE)
                    .long(PRINT_MAN_PAGE)
                    .action(ArgAction::SetTrue)
                    .help("Print the manual page"),
            ])
            .subcommands([restore_command(), recover_command(), migrate_storage_command()])
            .args_conflicts_with_subcommands(true);
        with_configuration(command)
    }

    /// The command; `None` to run the daemon.
    pub fn command(&self) -> Option<Command> {
        self.subcommand.clone().or_else(|| self.command_flag())
    }

    /// The command that a flag names.
    fn command_flag(&self) -> Option<Command> {
        let flag = |name, command| self.matches.get_flag(name).then_some(command);
        let shell = self.matches.get_one(PRINT_COMPLETIONS).copied();
        flag(PRINT_DEFAULT_CONFIG, Command::PrintDefaultConfig)
            .or(flag(PRINT_MAN_PAGE, Command::PrintManPage))
            .or(shell.map(Command::PrintCompletions))
            .or(flag(CHECK_CONFIG, Command::CheckConfig))
            .or(flag(RENEW_CERTIFICATE, Command::RenewCertificate))
    }

    pub(super) fn config_file(&self) -> Option<&PathBuf> {
        self.matches.get_one(CONFIG_FILE)
    }

    pub(super) fn library_store(&self) -> bool {
        self.matches.get_flag(LIBRARY_STORE)
    }

    pub(super) fn without_peer_gate(&self) -> bool {
        self.matches.get_flag(WITHOUT_PEER_GATE)
    }

    /// The value of a key and its source, if it is set here.
    pub(super) fn get(&self, key: &Definition) -> Option<(toml::Value, ArgSource)> {
        let given = match self.matches.value_source(key.name)? {
            ValueSource::CommandLine => ArgSource::Flag,
            ValueSource::EnvVariable => ArgSource::Variable,
            _ => return None,
        };
        let value = match key.kind {
            Kind::Text => self.matches.get_one::<String>(key.name)?.as_str().into(),
            Kind::Number => (*self.matches.get_one::<i64>(key.name)?).into(),
            Kind::Boolean => (*self.matches.get_one::<bool>(key.name)?).into(),
            // It can only switch on.
            Kind::Switch => self.matches.get_flag(key.name).then(|| true.into())?,
            Kind::List => {
                let texts = self.matches.get_many::<String>(key.name)?;
                texts.map(|text| text.as_str().into()).collect::<Vec<toml::Value>>().into()
            },
        };
        Some((value, given))
    }
}

/// Adds the configuration file and all keys.
fn with_configuration(command: clap::Command) -> clap::Command {
    command
        .arg(
            Arg::new(CONFIG_FILE)
                .value_name("CONFIG_FILE")
                .value_parser(value_parser!(PathBuf))
                .help(
                    "Configuration file, in TOML [default: ~/.ldk-server/config.toml, if it exists]",
                ),
        )
        .arg(Arg::new(LIBRARY_STORE).long(LIBRARY_STORE).action(ArgAction::SetTrue).hide(true).help(
            "Keep the state of the library in its own store, for benchmarks. What the server itself \
             writes then does not survive a loss of power",
        ))
        .arg(
            Arg::new(WITHOUT_PEER_GATE).long(WITHOUT_PEER_GATE).action(ArgAction::SetTrue).hide(true).help(
                "Let the library listen and connect to peers itself, for benchmarks. There are then no \
                 limits for peers, and nothing is held until it is on disk",
            ),
        )
        .args(KEYS.iter().map(flag))
}

fn restore_command() -> clap::Command {
    let path = |name: &'static str| {
        Arg::new(name).long(name).value_name("FILE").value_parser(value_parser!(PathBuf))
    };
    let command = clap::Command::new(RESTORE)
        .about("Restore a node from a backup or from its mirror; overwrites nothing")
        .arg(
            Arg::new(BACKUP)
                .value_name("BACKUP")
                .value_parser(value_parser!(PathBuf))
                .required(true)
                .help("The backup, or the ldk_node_data.sqlite of a mirror"),
        )
        .args([
            path(IDENTITY_FILE).help("File of the secret key that decrypts the backup"),
            path(PASSPHRASE_FILE)
                .conflicts_with(IDENTITY_FILE)
                .help("File of the passphrase that decrypts the backup [default: prompt for it]"),
            Arg::new(RECOVER).long(RECOVER).action(ArgAction::SetTrue).help(
                "Put the state of the channels into quarantine, and let the peers close the channels: \
                 safe with a state of any age",
            ),
            Arg::new(ACCEPT_OLD_STATE)
                .long(ACCEPT_OLD_STATE)
                .value_name("WORDS")
                .conflicts_with(RECOVER)
                .help("Accept a state that is too old; the error that refuses it names the words"),
        ]);
    with_configuration(command)
}

fn recover_command() -> clap::Command {
    let command = clap::Command::new(RECOVER_NODE)
        .about("Put the state of all channels into quarantine, because it is too old, and let the peers close them")
        .arg(
            Arg::new(CLOSE_ALL_CHANNELS)
                .long(CLOSE_ALL_CHANNELS)
                .action(ArgAction::SetTrue)
                .required(true)
                .help("Confirm that the peers shall close all channels; this cannot be undone"),
        );
    with_configuration(command)
}

fn migrate_storage_command() -> clap::Command {
    let command = clap::Command::new(MIGRATE_STORAGE)
        .about("Move the state of a node that is stopped to PostgreSQL, or back to SQLite")
        .arg(
            Arg::new(TO)
                .long(TO)
                .value_name("DATABASE")
                .value_parser(value_parser!(StorageKind))
                .required(true)
                .help("Where the state is moved; the configuration has storage.postgres in both cases"),
        );
    with_configuration(command)
}

fn restore_args(matches: &ArgMatches) -> RestoreArgs {
    let path = |name| matches.get_one::<PathBuf>(name).cloned();
    RestoreArgs {
        file: path(BACKUP).unwrap_or_default(),
        identity_file: path(IDENTITY_FILE),
        passphrase_file: path(PASSPHRASE_FILE),
        recover: matches.get_flag(RECOVER),
        accept_old_state: matches.get_one::<String>(ACCEPT_OLD_STATE).cloned(),
    }
}

fn flag(key: &'static Definition) -> Arg {
    let help = match key.default.filter(|_| key.kind != Kind::Switch) {
        Some(default) => format!("{} [default: {}]", key.help, default.trim_matches('"')),
        None => key.help.to_owned(),
    };
    let arg = Arg::new(key.name)
        .long(key.flag())
        .env(key.variable())
        .hide_env_values(key.is_secret)
        .hide(key.help.is_empty())
        .value_name(key.value_name)
        .help(help);
    match key.kind {
        Kind::Text => arg.value_parser(value_parser!(String)),
        Kind::Number => arg.value_parser(value_parser!(i64)).allow_negative_numbers(true),
        Kind::Boolean => arg.value_parser(value_parser!(bool)),
        Kind::Switch => arg.action(ArgAction::SetTrue).value_parser(FalseyValueParser::new()),
        Kind::List => arg.action(ArgAction::Append).value_parser(value_parser!(String)),
    }
}
