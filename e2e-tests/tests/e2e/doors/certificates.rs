//! Certificates of clients: of the node's own authority, of another, expired, revoked, and none.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::{Network, Node, refused, until};
use ldk_server_client::api::{GetNodeInfoRequest, OnchainReceiveRequest};
use ldk_server_client::{Client, Code, Error};
use ldk_server_grpc::AuthorityFiles;
use ldk_server_grpc::places::{self, Places};
use rcgen::{
    CertificateParams, CertificateRevocationListParams, CustomExtension, DistinguishedName, DnType,
    Issuer, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber, date_time_ymd,
};

const PATIENCE: Duration = Duration::from_secs(30);
const REQUIRED: &str = "[tls]\nclient_auth = \"required\"\n";
const OPTIONAL: &str = "[tls]\nclient_auth = \"optional\"\n";
/// The extension that restrictions are in.
const RESTRICTIONS_OID: [u64; 3] = [2, 25, 7_315_904_621_187_362_415];

/// A certificate and its key, in PEM.
struct Pair {
    cert: String,
    key: String,
    serial: Vec<u8>,
}

/// An authority whose key the test has.
struct Authority(Issuer<'static, KeyPair>);

impl Authority {
    /// That of a node.
    fn of(files: &AuthorityFiles) -> Result<Self> {
        let key = KeyPair::from_pem(&fs::read_to_string(&files.ca_key)?)?;
        Ok(Self(Issuer::from_ca_cert_pem(&fs::read_to_string(&files.ca_cert)?, key)?))
    }

    /// Another, which has the name of that of every node.
    fn foreign() -> Result<Self> {
        Ok(Self(Issuer::new(named("ldk-server CA"), KeyPair::generate()?)))
    }

    fn issue(&self, mut params: CertificateParams) -> Result<Pair> {
        let (key, serial) =
            (KeyPair::generate()?, rand::random::<[u8; 8]>().map(|byte| byte & 0x7f | 1));
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let cert = params.signed_by(&key, &self.0)?.pem();
        Ok(Pair { cert, key: key.serialize_pem(), serial: serial.to_vec() })
    }

    fn revocation_list(&self, revoked: &[&Pair]) -> Result<String> {
        let revoked_certs = revoked.iter().map(|pair| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&pair.serial),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2049, 1, 1),
            crl_number: SerialNumber::from(7),
            issuing_distribution_point: None,
            revoked_certs: revoked_certs.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(params.signed_by(&self.0)?.pem()?)
    }
}

fn named(name: &str) -> CertificateParams {
    let mut distinguished_name = DistinguishedName::new();
    distinguished_name.push(DnType::CommonName, name);
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name;
    params
}

fn files(node: &Node) -> AuthorityFiles {
    places::authority_files(&node.config().storage_dir, "regtest")
}

/// The example that the node has made.
fn example(node: &Node) -> Result<Pair> {
    let files = files(node);
    let (cert, key) =
        (fs::read_to_string(files.client_cert)?, fs::read_to_string(files.client_key)?);
    Ok(Pair { cert, key, serial: Vec::new() })
}

/// Somebody who has no API key, but perhaps a certificate.
fn client(node: &Node, pair: Option<&Pair>) -> Result<Client> {
    let ca_cert = fs::read(files(node).ca_cert)?;
    let builder = Client::builder_without_key(node.config().grpc.address(), ca_cert);
    Ok(match pair {
        Some(Pair { cert, key, .. }) => builder.client_certificate(cert, key),
        None => builder,
    }
    .build()?)
}

async fn calls(client: &Client) -> Result<(), Error> {
    client.get_node_info(GetNodeInfoRequest {}).await.map(drop)
}

/// Checks that there is no connection for who shows this.
async fn is_turned_away(node: &Node, pair: Option<&Pair>) -> Result<()> {
    match calls(&client(node, pair)?).await {
        Err(Error::Transport(_)) => Ok(()),
        other => bail!("not turned away: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_certificates_of_the_own_authority_pass() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node_with("alice", REQUIRED).await?;
    let authority = Authority::of(&files(&alice))?;
    calls(&client(&alice, Some(&example(&alice)?))?).await?;
    calls(&client(&alice, Some(&authority.issue(named("shop"))?))?).await?;

    let mut expired = named("shop");
    expired.not_after = date_time_ymd(2020, 1, 1);
    is_turned_away(&alice, Some(&authority.issue(expired)?)).await?;
    is_turned_away(&alice, Some(&Authority::foreign()?.issue(named("shop"))?)).await?;
    for name in ["", "sh\u{f6}p", "a\u{1b}[2J", &"a".repeat(65)] {
        is_turned_away(&alice, Some(&authority.issue(named(name))?)).await?;
    }
    is_turned_away(&alice, None).await?;
    // The key is no way around it, and neither are the pages.
    let places = Places::of_config_file(alice.config_file())?;
    let keyed = Client::builder(&places.address, places.read_api_key()?, places.read_tls_cert()?);
    ensure!(matches!(calls(&keyed.build()?).await, Err(Error::Transport(_))));
    ensure!(client(&alice, None)?.check_live().await.is_err());

    // The command-line client finds what it needs.
    alice.cli(&["get-node-info"]).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_none_may_still_have_the_key() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node_with("alice", OPTIONAL).await?;
    calls(alice.client()).await?;
    let places = Places::of_config_file(alice.config_file())?;
    let keyed = Client::builder(&places.address, places.read_api_key()?, places.read_tls_cert()?);
    calls(&keyed.build()?).await?;
    calls(&client(&alice, Some(&example(&alice)?))?).await?;
    refused(calls(&client(&alice, None)?).await, Code::Unauthenticated, &[]);
    client(&alice, None)?.check_live().await?;
    is_turned_away(&alice, Some(&Authority::foreign()?.issue(named("shop"))?)).await?;

    // What it may not do, it may not do: here nobody knows what is meant.
    let authority = Authority::of(&files(&alice))?;
    let nonsense = CustomExtension::from_oid_content(&RESTRICTIONS_OID, b"\x0c\x05odd=1".to_vec());
    let mut restricted = named("shop");
    restricted.custom_extensions.push(nonsense);
    let restricted = client(&alice, Some(&authority.issue(restricted)?))?;
    refused(calls(&restricted).await, Code::PermissionDenied, &[]);
    // The command-line client shows what it is told to show.
    let files = files(&alice);
    let [cert, key] =
        [&files.client_cert, &files.client_key].map(|path| path.display().to_string());
    alice.cli(&["--client-cert", &cert, "--client-key", &key, "get-node-info"]).await?;
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_issued_allows_what_it_says_until_it_is_revoked() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node_with("alice", REQUIRED).await?;
    let issued = alice.cli(&["issue-client-cert", "shop", "--preset", "invoice"]).await?;
    let pem = |name: &str| issued[name].as_str().map(str::to_owned).context("no PEM");
    let pair =
        Pair { cert: pem("certificate_pem")?, key: pem("private_key_pem")?, serial: Vec::new() };
    let shop = client(&alice, Some(&pair))?;
    calls(&shop).await?;
    let denied = shop.onchain_receive(OnchainReceiveRequest {}).await.map(drop);
    refused(denied, Code::PermissionDenied, &["certificate shop", "group is not equal to"]);
    let wrong = alice.cli_output(&["issue-client-cert", "a b"]).await?;
    ensure!(wrong.code == Some(1) && wrong.stderr.contains("name: "), "{wrong:?}");

    alice.cli(&["revoke-client-cert", "shop"]).await?;
    is_turned_away(&alice, Some(&pair)).await?;
    let listed = alice.cli(&["list-client-certs"]).await?;
    let listed = listed["client_certs"].as_array().context("no list")?;
    let revoked: Vec<_> = listed.iter().filter(|one| one["revoked"] == true).collect();
    ensure!(revoked.len() == 1 && revoked[0]["name"] == "shop", "{listed:?}");
    network.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_revoked_is_out_at_once_and_nobody_else() -> Result<()> {
    let network = Network::start().await?;
    let alice = network.node_with("alice", REQUIRED).await?;
    let files = files(&alice);
    let authority = Authority::of(&files)?;
    let (shop, other) = (authority.issue(named("shop"))?, authority.issue(named("other"))?);
    let (shop_client, other_client) = (client(&alice, Some(&shop))?, client(&alice, Some(&other))?);
    calls(&shop_client).await?;
    calls(&other_client).await?;

    let aside = files.revoked.with_extension("aside");
    fs::write(&aside, authority.revocation_list(&[&shop])?)?;
    fs::rename(&aside, &files.revoked)?;
    until("the client is turned away on its open connection", PATIENCE, async || {
        ensure!(calls(&shop_client).await.is_err());
        Ok(())
    })
    .await?;
    is_turned_away(&alice, Some(&shop)).await?;
    calls(&other_client).await?;
    calls(&client(&alice, Some(&other))?).await?;

    // Nobody else can take it back, and it outlives the daemon.
    fs::write(&files.revoked, Authority::foreign()?.revocation_list(&[])?)?;
    alice.log().says("is not a revocation list that ca.pem has signed").await?;
    is_turned_away(&alice, Some(&shop)).await?;
    fs::write(&files.revoked, authority.revocation_list(&[&shop])?)?;
    alice.stop().await?;
    alice.start_again().await?;
    is_turned_away(&alice, Some(&shop)).await?;
    calls(&client(&alice, Some(&other))?).await?;
    network.stop().await
}
