//! The files that run a node on two machines: their configurations, variables and paths.

use std::collections::BTreeSet;
use std::path::Path;

use ldk_server::config::keys::{Definition, KEYS};

use crate::{REPOSITORY, load, read};

const COMPOSE: &str = "contrib/compose.yml";
const KUBERNETES: &str = "contrib/kubernetes.yml";
const DROP_INS: [&str; 2] = ["contrib/systemd/postgres.conf", "contrib/systemd/standby-only.conf"];

/// The texts in a file of YAML that stand below a line which ends with `|`, without what they are
/// indented by.
fn blocks(text: &str) -> Vec<String> {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let mut lines = text.lines().peekable();
    let mut blocks = Vec::new();
    while let Some(opening) = lines.next() {
        if !opening.ends_with('|') {
            continue;
        }
        let mut block = String::new();
        let inside = lines.peek().map_or(0, |line| indentation(line));
        assert!(inside > indentation(opening), "{opening}");
        while let Some(line) = lines.next_if(|line| line.is_empty() || indentation(line) >= inside)
        {
            block.push_str(line.get(inside..).unwrap_or_default());
            block.push('\n');
        }
        blocks.push(block);
    }
    blocks
}

#[test]
fn the_configurations_of_standbys_are_accepted() {
    for file in [COMPOSE, KUBERNETES] {
        let blocks = blocks(&read(file));
        let configurations: Vec<_> = blocks.iter().filter(|text| text.contains("[node]")).collect();
        assert_eq!(configurations.len(), 1, "{file}");
        for text in configurations {
            // This comes by a variable, as does the password of PostgreSQL.
            let user = "rpc_user = \"ldk-server\"\n";
            let config =
                load(&text.replace(user, &format!("{user}rpc_password = \"a\"\n"))).unwrap();
            assert!(config.postgres.unwrap().is_standby, "{file}");
            assert!(config.metrics.enabled, "{file}");
        }
    }
    // Comments of a drop-in; the rest of the configuration is that of the unit.
    let drop_in = read(DROP_INS[0]);
    let lines = drop_in
        .lines()
        .filter_map(|line| line.strip_prefix("#   "))
        .skip_while(|line| *line != "[storage.postgres]");
    let section: String = lines.map(|line| line.to_owned() + "\n").collect();
    let url = "[storage.postgres]\nurl = \"postgres://ldk_server@db.example.org/ldk_server\"\n";
    let section = section.replace("[storage.postgres]\n", url);
    let rest = "[node]\nnetwork = \"signet\"\n[esplora]\nserver_url = \"http://127.0.0.1:3000\"\n";
    assert!(load(&(rest.to_owned() + &section)).unwrap().postgres.unwrap().is_standby);
}

#[test]
fn the_variables_that_are_set_exist() {
    let known: BTreeSet<String> = KEYS.iter().map(Definition::variable).collect();
    for file in [COMPOSE, KUBERNETES] {
        let text = read(file);
        let is_in_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let words = text.split(|letter| !is_in_name(letter));
        let set: BTreeSet<&str> = words.filter(|word| word.starts_with("LDK_SERVER_")).collect();
        assert_eq!(set.len(), 2, "{file}: {set:?}");
        for variable in set {
            assert!(known.contains(variable), "{file}: {variable}");
        }
    }
}

/// What the files say of the image and of the daemon is so.
#[test]
fn ports_paths_and_users_are_those_of_the_image() {
    let (image, compose, kubernetes) = (read("Dockerfile"), read(COMPOSE), read(KUBERNETES));
    let storage = "/home/ldk-server/.ldk-server";
    assert!(image.contains(&format!("VOLUME {storage}")) && image.contains("EXPOSE 3536 9735"));
    for node in ["node1", "node2"] {
        assert!(compose.contains(&format!("volumes: [\"{node}:{storage}\"]")), "{node}");
    }
    assert!(compose.contains(&format!("target: {storage}/config.toml")));
    assert!(image.contains("USER 1000") && kubernetes.contains("runAsUser: 1000"));
    for (name, port) in [("grpc", 3536), ("lightning", 9735)] {
        let port = format!("{{name: {name}, containerPort: {port}}}");
        assert!(kubernetes.contains(&port), "{port}");
    }
    for probe in ["/livez", "/readyz"] {
        let get = format!("httpGet: {{scheme: HTTPS, port: grpc, path: {probe}}}");
        assert!(kubernetes.contains(&get), "{get}");
    }
}

#[test]
fn the_files_of_identity_are_those_that_the_daemon_has() {
    let reference = read("docs/configuration.md");
    for (file, row) in [
        ("keys_mnemonic", "`<storage>/keys_mnemonic`"),
        ("tls.crt", "`<storage>/tls.crt`"),
        ("tls.key", "`<storage>/tls.key`"),
        ("signet/api_key", "`<storage>/<network>/api_key`"),
    ] {
        assert!(reference.contains(row), "{row}");
        for text in [COMPOSE, KUBERNETES] {
            assert!(read(text).contains(file), "{text}: {file}");
        }
    }
}

#[test]
fn drop_ins_restart_the_node_and_are_installed_from_where_they_are() {
    for file in DROP_INS {
        assert!(Path::new(REPOSITORY).join(file).is_file(), "{file}");
        assert!(read(file).contains(file), "{file}");
    }
    let text = read(DROP_INS[0]);
    for line in
        ["Restart=always", "LoadCredential=postgres-password:/etc/ldk-server/postgres-password"]
    {
        assert!(text.lines().any(|found| found == line), "{line}");
    }
}
