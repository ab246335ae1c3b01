//! The command line as a whole, and what its help says.

use clap::builder::ValueParser;
use clap::{Arg, Command as ClapCommand, CommandFactory as _, Parser as _, value_parser};

use ldk_server_grpc::RPC_NAMES;

use crate::Cli;
use crate::amount::{Amount, AmountOrAll};

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(["ldk-server-cli"].into_iter().chain(line.split_whitespace()))
}

#[test]
fn the_commands_have_the_names_of_the_contract() {
    let program = Cli::command();
    let names: Vec<_> = program.get_subcommands().map(ClapCommand::get_name).collect();
    let expected = [
        "get-node-info",
        "get-balances",
        "step-down",
        "onchain-receive",
        "onchain-send",
        "estimate-onchain-fees",
        "bolt11-receive",
        "bolt11-receive-for-hash",
        "bolt11-claim-for-hash",
        "bolt11-fail-for-hash",
        "bolt11-receive-via-jit-channel",
        "bolt11-receive-variable-amount-via-jit-channel",
        "request-inbound-channel",
        "get-inbound-channel-order",
        "bolt11-send",
        "bolt11-send-underpaying",
        "bolt12-receive",
        "bolt12-send",
        "bolt12-receive-async",
        "set-static-invoice-server",
        "create-async-recipient-paths",
        "create-refund",
        "claim-refund",
        "resolve-lnurl",
        "lnurl-pay",
        "lnurl-withdraw",
        "spontaneous-send",
        "pay",
        "estimate-fee",
        "query-route",
        "probe-payment",
        "decode-invoice",
        "decode-offer",
        "open-channel",
        "splice-in",
        "splice-out",
        "update-channel-config",
        "close-channel",
        "force-close-channel",
        "list-channels",
        "connect-peer",
        "disconnect-peer",
        "list-peers",
        "sign-message",
        "verify-signature",
        "export-pathfinding-scores",
        "graph-list-channels",
        "graph-get-channel",
        "graph-list-nodes",
        "graph-get-node",
        "get-payment-details",
        "update-payment",
        "get-summary",
        "get-invoice",
        "cancel-invoice",
        "delete-invoice",
        "delete-expired-invoices",
        "ack-events",
        "list-event-consumers",
        "delete-event-consumer",
        "create-rune",
        "list-runes",
        "revoke-rune",
        "check-rune",
        "create-api-key",
        "list-api-keys",
        "rotate-api-key",
        "revoke-api-key",
        "issue-client-cert",
        "list-client-certs",
        "revoke-client-cert",
        "create-webhook",
        "list-webhooks",
        "test-webhook",
        "update-webhook",
        "resume-webhook",
        "delete-webhook",
        "list-payments",
        "list-forwarded-payments",
        "export",
        "list-channel-accounts",
        "list-audit-entries",
        "list-invoices",
        "wait-invoice",
        "wait-payment",
        "wait-any-invoice",
        "wait-channel",
        "events",
        "backup",
        "page",
        "health",
        "decode-rune",
        "restrict-rune",
        "completions",
        "man-pages",
    ];
    assert_eq!(names, expected);
}

/// Lists the RPCs that are methods of the client, which must be there for this to compile.
macro_rules! client_methods {
    ($($(#[$doc:meta])* $method:ident: $name:literal, $request:ty => $response:ty;)+) => {
        [$({
            let _ = ldk_server_client::Client::$method;
            $name
        }),+]
    };
}

#[test]
fn every_rpc_has_a_method_and_a_command() {
    let _ = ldk_server_client::Client::subscribe_events;
    let _ = ldk_server_client::Client::create_backup;
    let _ = ldk_server_client::Client::export_payments;
    let streams = ["SubscribeEvents", "CreateBackup", "ExportPayments"];
    let methods = ldk_server_grpc::for_each_unary_rpc!(client_methods);
    let program = Cli::command();
    let mut missing = Vec::new();
    for rpc in RPC_NAMES {
        if !methods.contains(rpc) && !streams.contains(rpc) {
            missing.push(format!("{rpc} is no method of the client"));
        }
        let command = command_of(rpc);
        if program.find_subcommand(&command).is_none() {
            missing.push(format!("{rpc} has no command {command}"));
        }
        // The third place: a heading `### <RpcName>` in docs/api-guide.md.
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert_eq!(RPC_NAMES.len(), methods.len() + streams.len());
}

/// The name of the command that makes this call: the same in lower case with hyphens, but for four.
fn command_of(rpc: &str) -> String {
    match rpc {
        "UnifiedSend" => "pay".to_owned(),
        "SubscribeEvents" => "events".to_owned(),
        "CreateBackup" => "backup".to_owned(),
        "ExportPayments" => "export".to_owned(),
        rpc => {
            let mut name = String::new();
            for character in rpc.chars() {
                if character.is_ascii_uppercase() && !name.is_empty() {
                    name.push('-');
                }
                name.push(character.to_ascii_lowercase());
            }
            name
        },
    }
}

#[test]
fn global_options_precede_the_command() {
    assert!(parse("-b host:1 -a 00 -t cert.pem -c config.toml --format table list-peers").is_ok());
    for line in ["list-peers -b host:1", "list-peers --format table", "list-peers -a 00"] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn no_environment_variable_is_read() {
    for command in all_commands(Cli::command()) {
        assert!(command.get_arguments().all(|arg| arg.get_env().is_none()), "{command}");
    }
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_and_argument_says_what_it_is() {
    for command in all_commands(Cli::command()) {
        let name = command.get_name();
        assert!(command.get_about().is_some_and(|about| !about.to_string().is_empty()), "{name}");
        for arg in command.get_arguments() {
            assert!(!help(arg).is_empty(), "{name} {}", arg.get_id());
        }
    }
}

#[test]
fn every_quantity_names_its_unit() {
    let quantities: [ValueParser; 4] = [
        value_parser!(Amount).into(),
        value_parser!(AmountOrAll).into(),
        value_parser!(u32).into(),
        value_parser!(u64).into(),
    ];
    let quantities = quantities.map(|parser| parser.type_id());
    let units = ["sat", "block", "second", "number", "parts per million", "power"];
    let mut checked = 0;
    for command in all_commands(Cli::command()) {
        for arg in command.get_arguments() {
            if quantities.contains(&arg.get_value_parser().type_id()) {
                let named = units.iter().any(|unit| help(arg).contains(unit));
                assert!(named, "{} {}: {}", command.get_name(), arg.get_id(), help(arg));
                checked += 1;
            }
        }
    }
    assert!(checked >= 62, "only {checked} quantities were found");
}

/// The program and all its commands.
fn all_commands(program: ClapCommand) -> Vec<ClapCommand> {
    let commands: Vec<_> = program.get_subcommands().cloned().collect();
    std::iter::once(program).chain(commands).collect()
}

fn help(arg: &Arg) -> String {
    arg.get_help().map(ToString::to_string).unwrap_or_default().to_lowercase()
}
