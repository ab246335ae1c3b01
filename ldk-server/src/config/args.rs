//! The command line. Every key of the configuration is a flag, and has an environment variable,
//! which the flag wins over.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use clap_complete::Shell;

use super::keys::{KEYS, Key, Kind};

const CONFIG_FILE: &str = "config_file";
const CHECK_CONFIG: &str = "check-config";
const PRINT_DEFAULT_CONFIG: &str = "print-default-config";
const PRINT_COMPLETIONS: &str = "print-completions";
const PRINT_MAN_PAGE: &str = "print-man-page";
const LIBRARY_STORE: &str = "library-store";

/// What the daemon was started with.
pub struct Args(ArgMatches);

/// What else the daemon may be asked for than to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Only {
    /// To check the configuration, and to show it.
    CheckConfig,
    /// To show a configuration file with every key.
    PrintDefaultConfig,
    /// To show the completion script for a shell.
    PrintCompletions(Shell),
    /// To show its manual page.
    PrintManPage,
}

/// Where a flag's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    Flag,
    Variable,
}

impl Args {
    /// Those of this process. Ends it if they cannot be read, or if help is asked for.
    pub fn parse() -> Self {
        Self(Self::command().get_matches())
    }

    /// These, of which the first is the name of the program, and the environment of this process.
    pub fn try_parse_from<T: Into<OsString> + Clone>(
        args: impl IntoIterator<Item = T>,
    ) -> Result<Self, clap::Error> {
        Self::command().try_get_matches_from(args).map(Self)
    }

    /// What may be on the command line.
    pub fn command() -> Command {
        Command::new("ldk-server")
            .version(ldk_server_version::VERSION)
            .about("A standalone Lightning node with a gRPC API")
            .arg(
                Arg::new(CONFIG_FILE)
                    .value_name("CONFIG_FILE")
                    .value_parser(value_parser!(PathBuf))
                    .help(
                        "Configuration file, in TOML [default: ~/.ldk-server/config.toml, if it \
                         exists]",
                    ),
            )
            .args([
                Arg::new(CHECK_CONFIG)
                    .long(CHECK_CONFIG)
                    .action(ArgAction::SetTrue)
                    .help("Check the configuration, and print each key with where it comes from"),
                Arg::new(PRINT_DEFAULT_CONFIG)
                    .long(PRINT_DEFAULT_CONFIG)
                    .action(ArgAction::SetTrue)
                    .help("Print a configuration file with every key, explained"),
                Arg::new(PRINT_COMPLETIONS)
                    .long(PRINT_COMPLETIONS)
                    .value_name("SHELL")
                    .value_parser(value_parser!(Shell))
                    .help("Print the completion script for a shell"),
                Arg::new(PRINT_MAN_PAGE)
                    .long(PRINT_MAN_PAGE)
                    .action(ArgAction::SetTrue)
                    .help("Print the manual page"),
                Arg::new(LIBRARY_STORE).long(LIBRARY_STORE).action(ArgAction::SetTrue).hide(true).help(
                    "Keep the library's state in the library's own store, to measure the server's by. \
                     What the server itself writes down is then not safe from a loss of power",
                ),
            ])
            .args(KEYS.iter().map(flag))
    }

    /// What to do instead of running.
    pub fn only(&self) -> Option<Only> {
        let flag = |name, only| self.0.get_flag(name).then_some(only);
        let shell = self.0.get_one(PRINT_COMPLETIONS).copied();
        flag(PRINT_DEFAULT_CONFIG, Only::PrintDefaultConfig)
            .or(flag(PRINT_MAN_PAGE, Only::PrintManPage))
            .or(shell.map(Only::PrintCompletions))
            .or(flag(CHECK_CONFIG, Only::CheckConfig))
    }

    pub(super) fn config_file(&self) -> Option<&PathBuf> {
        self.0.get_one(CONFIG_FILE)
    }

    pub(super) fn library_store(&self) -> bool {
        self.0.get_flag(LIBRARY_STORE)
    }

    /// The value of a key that is set here, and how.
    pub(super) fn get(&self, key: &Key) -> Option<(toml::Value, Given)> {
        let given = match self.0.value_source(key.name)? {
            ValueSource::CommandLine => Given::Flag,
            ValueSource::EnvVariable => Given::Variable,
            _ => return None,
        };
        let value = match key.kind {
            Kind::Text => self.0.get_one::<String>(key.name)?.as_str().into(),
            Kind::Number => (*self.0.get_one::<i64>(key.name)?).into(),
            Kind::Boolean => (*self.0.get_one::<bool>(key.name)?).into(),
            // It can only switch on.
            Kind::Switch => self.0.get_flag(key.name).then(|| true.into())?,
            Kind::List => {
                let texts = self.0.get_many::<String>(key.name)?;
                texts.map(|text| text.as_str().into()).collect::<Vec<toml::Value>>().into()
            },
        };
        Some((value, given))
    }
}

fn flag(key: &'static Key) -> Arg {
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
