//! The clients, and how each is started.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use e2e_tests::{Log, other_languages};
use serde_json::json;
use tokio::process::Command;

use super::cln_rpc::Rust;
use super::doors::Doors;
use super::driver::Driver;
use super::stories::{Client, Hand, Story};
use crate::permissions::rune;

const SOCKET: &str = "socket";
const REST: &str = "CLNRest";
const GRPC: &str = "gRPC";
/// What is no task of a client.
const NO_TASK: &str = "–";
const ONLY_LISTENS: &[(Story, &str)] = &[
    (Story::Invoice, NO_TASK),
    (Story::Pay, NO_TASK),
    (Story::FailedPay, NO_TASK),
    (Story::History, NO_TASK),
];
const ONLY_STARTS: &[(Story, &str)] = &[
    (Story::Invoice, NO_TASK),
    (Story::Pay, NO_TASK),
    (Story::FailedPay, NO_TASK),
    (Story::Wait, NO_TASK),
    (Story::History, NO_TASK),
];
const NO_HISTORY: &[(Story, &str)] = &[(Story::History, NO_TASK)];
const KEPT_PENDING: &[(Story, &str)] = &[(
    Story::FailedPay,
    "it shows the reason and takes the payment for pending, as with phoenixd",
)];

/// All of them, in the order in which they are in the table.
pub(super) async fn all(doors: &Doors) -> Result<Vec<Client>> {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut clients = vec![Client {
        name: "`cln-rpc`",
        door: SOCKET,
        hand: Hand::Rust(Rust::new(doors.socket()).await?),
        without: &[],
    }];
    clients.extend(of_pyln(doors, tmp).await?);
    clients.extend(of_lnbits(doors, tmp).await?);
    clients.extend(of_nutshell(doors, tmp).await?);
    clients.extend(of_the_documentation(doors, tmp).await?);
    let python = other_languages::python_for_cln(tmp).await?;
    let stubs = doors.network.dir().join("stubs");
    std::fs::create_dir_all(&stubs)?;
    other_languages::python_stubs_for_cln(&python, &stubs).await?;
    clients.push(of_the_tutorial(doors, &python, &stubs)?);
    clients.push(Client {
        name: "cdk",
        door: SOCKET,
        hand: Hand::Rust(Rust::as_cdk(doors.socket()).await?),
        without: NO_HISTORY,
    });
    clients.extend(recorded(doors, tmp, (&python, &stubs)).await?);
    Ok(clients)
}

async fn of_pyln(doors: &Doors, tmp: &Path) -> Result<Vec<Client>> {
    let python = other_languages::python_for_cln(tmp).await?;
    let mut at_socket = program(&python, "pyln_socket.py");
    at_socket.arg(doors.socket());
    let mut over_grpc = program(&python, "pyln_grpc.py");
    let files = doors.certificates();
    let dir = files.ca_cert.parent().context("no directory")?;
    over_grpc.arg(doors.grpc.number().to_string()).arg(dir);
    Ok(vec![
        asked(doors, "`pyln-client`", SOCKET, at_socket, &[])?,
        asked(doors, "`pyln-grpc-proto`", GRPC, over_grpc, &[])?,
    ])
}

async fn of_lnbits(doors: &Doors, tmp: &Path) -> Result<Vec<Client>> {
    let python = other_languages::python_for_client(tmp, "lnbits").await?;
    // It makes a directory for its data.
    let dir = doors.network.dir();
    let mut at_socket = program(&python, "lnbits_wallet.py");
    at_socket.current_dir(dir).arg("CoreLightningWallet").env("CORELIGHTNING_RPC", doors.socket());
    let mut over_rest = program(&python, "lnbits_wallet.py");
    over_rest.current_dir(dir).arg("CLNRestWallet").env("CLNREST_URL", doors.rest_url());
    over_rest.env("CLNREST_CA", doors.rest_certificate());
    for (variable, restrictions) in [
        ("CLNREST_READONLY_RUNE", &[LNBITS_READS][..]),
        ("CLNREST_INVOICE_RUNE", &LNBITS_INVOICES[..]),
        ("CLNREST_PAY_RUNE", &LNBITS_PAYS[..]),
    ] {
        over_rest.env(variable, rune(&doors.alice, restrictions).await?);
    }
    let mut over_phoenixd = program(&python, "lnbits_wallet.py");
    over_phoenixd.current_dir(dir).arg("PhoenixdWallet");
    over_phoenixd.env("PHOENIXD_API_ENDPOINT", doors.phoenixd_url());
    over_phoenixd.env("PHOENIXD_API_PASSWORD", doors.phoenixd_password()?);
    let (name, door) = ("LNbits `PhoenixdWallet`", "phoenixd");
    let hears = Hand::Hearer(Driver::spawn(over_phoenixd, log(doors, name, door))?);
    let at_phoenixd = Client { name, door, hand: hears, without: KEPT_PENDING };
    Ok(vec![
        asked(doors, "LNbits `CoreLightningWallet`", SOCKET, at_socket, &[])?,
        asked(doors, "LNbits `CLNRestWallet`", REST, over_rest, NO_HISTORY)?,
        at_phoenixd,
    ])
}

/// The restrictions that LNbits' documentation has for its runes.
const LNBITS_READS: &str = "method=listfunds|method=listpays|method=listinvoices|method=getinfo|\
                            method=summary|method=waitanyinvoice";
const LNBITS_INVOICES: [&str; 4] =
    ["method=invoice", "pnameamount_msat<5000001", "pname_label^LNbits", "rate=60"];
const LNBITS_PAYS: [&str; 3] = ["method=pay", "pinvbolt11_amount<1000000001", "pname_label^LNbits"];

async fn of_nutshell(doors: &Doors, tmp: &Path) -> Result<Vec<Client>> {
    let python = other_languages::python_for_client(tmp, "nutshell").await?;
    let mut command = program(&python, "nutshell.py");
    command.current_dir(doors.network.dir()).env("MINT_CLNREST_URL", doors.rest_url());
    command.env("MINT_CLNREST_CERT", doors.rest_certificate());
    command.env("MINT_CLNREST_RUNE", rune(&doors.alice, &["--preset", "admin"]).await?);
    Ok(vec![asked(doors, "nutshell `CLNRestWallet`", REST, command, NO_HISTORY)?])
}

/// The programs of documents 000 and 001 for Socket.IO.
async fn of_the_documentation(doors: &Doors, tmp: &Path) -> Result<Vec<Client>> {
    let hears = rune(&doors.bob, &["method=listclnrest-notifications"]).await?;
    let mut in_python = program(&other_languages::python(tmp).await?, "clnrest_socketio.py");
    let mut in_javascript = Command::new("node");
    in_javascript.env("NODE_PATH", other_languages::node_packages(tmp).await?);
    in_javascript.arg(here("javascript/clients/clnrest_socketio.js"));
    for command in [&mut in_python, &mut in_javascript] {
        command.arg(doors.plain_rest_url()).arg(&hears);
    }
    let curl = format!(
        "curl -k -X POST '{}/v1/getinfo' -H 'Rune: {}'",
        doors.rest_url(),
        rune(&doors.alice, &["method=getinfo"]).await?
    );
    let mut in_shell = Command::new("sh");
    in_shell.args(["-c", &curl]).env_remove("CURL_CA_BUNDLE");
    Ok(vec![
        once("curl, the command of CLNRest's documentation", REST, in_shell),
        listener(doors, "python-socketio, the program of CLNRest's documentation", in_python)?,
        listener(doors, "socket.io-client, the program of CLNRest's documentation", in_javascript)?,
    ])
}

/// A client that cannot be installed here: its name, its door, the file of its calls, what it is without.
type Recorded = (&'static str, &'static str, &'static str, &'static [(Story, &'static str)]);

const RECORDED: [Recorded; 8] = [
    ("`lightning-cli`", SOCKET, "lightning_cli.json", &[]),
    ("BTCPay Server", SOCKET, "btcpay.json", &[]),
    ("RTL", REST, "rtl.json", &[]),
    ("Zeus", REST, "zeus.json", &[]),
    ("cln-application", REST, "cln_application.json", &[(Story::Wait, NO_TASK)]),
    ("Alby Hub", GRPC, "alby_hub.json", NO_HISTORY),
    ("BitBanana", GRPC, "bitbanana.json", &[]),
    ("Blitz API", GRPC, "blitz.json", &[]),
];

async fn recorded(
    doors: &Doors,
    tmp: &Path,
    (over_grpc, stubs): (&Path, &Path),
) -> Result<Vec<Client>> {
    let plain = other_languages::python(tmp).await?;
    let ends = json!({
        "socket": doors.socket(),
        "rest_url": doors.rest_url(),
        "rest_certificate": doors.rest_certificate(),
        "rune": rune(&doors.alice, &["--preset", "admin"]).await?,
        "grpc_port": doors.grpc.number(),
        "certificates": doors.certificates().ca_cert.parent().context("no directory")?,
    });
    let mut clients = Vec::new();
    for (name, door, file, without) in RECORDED {
        let python = if door == GRPC { over_grpc } else { &plain };
        let mut command = program(python, "recorded.py");
        command.env("PYTHONPATH", stubs).arg(file).arg(ends.to_string());
        let driver = Driver::spawn(command, log(doors, name, door))?;
        let hears = ["RTL", "Alby Hub"].contains(&name);
        let hand = if hears { Hand::Hearer(driver) } else { Hand::Program(driver) };
        clients.push(Client { name, door, hand, without });
    }
    Ok(clients)
}

/// The program of document 002, in the directory of the certificates.
fn of_the_tutorial(doors: &Doors, python: &Path, stubs: &Path) -> Result<Client> {
    let mut command = Command::new(python);
    let files = doors.certificates();
    command.current_dir(files.ca_cert.parent().context("no directory")?);
    command.env("PYTHONPATH", stubs).arg(here("python/cln/getinfo.py"));
    command.arg(doors.grpc.number().to_string());
    Ok(once("grpcio, the program of cln-grpc's documentation", GRPC, command))
}

fn once(name: &'static str, door: &'static str, command: Command) -> Client {
    Client { name, door, hand: Hand::Once(Some(command)), without: ONLY_STARTS }
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn program(python: &Path, name: &str) -> Command {
    let mut command = Command::new(python);
    command.arg(here("python/clients").join(name));
    command
}

fn asked(
    doors: &Doors,
    name: &'static str,
    door: &'static str,
    command: Command,
    without: &'static [(Story, &'static str)],
) -> Result<Client> {
    let hand = Hand::Program(Driver::spawn(command, log(doors, name, door))?);
    Ok(Client { name, door, hand, without })
}

fn listener(doors: &Doors, name: &'static str, command: Command) -> Result<Client> {
    let hand = Hand::Listener(Driver::spawn(command, log(doors, name, REST))?);
    Ok(Client { name, door: REST, hand, without: ONLY_LISTENS })
}

/// Where a client writes its errors.
fn log(doors: &Doors, name: &str, door: &str) -> Log {
    let name: String =
        format!("{name}-{door}").chars().filter(char::is_ascii_alphanumeric).collect();
    Log::new(doors.network.dir().join(format!("{name}.log")))
}
