//! Compares the proto files with the table of the public contract, `contract.tsv`, in both
//! directions: what the table names must be there as it says, and what it does not name must be an
//! addition that no other generation of the API can collide with.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy takes the helpers of a test for production code"
)]

use std::collections::BTreeSet;
use std::fmt;

use ldk_server_grpc::DESCRIPTOR_SET;
use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    MethodDescriptorProto,
};

const CONTRACT: &str = include_str!("contract.tsv");

/// Fields and enum values of our own in messages and enums of the contract are numbered from here.
const FIRST_OWN_NUMBER: i32 = 1000;

/// What stands in the columns that a row has no use for.
const NOTHING: &str = "-";

/// One line of the table: an RPC, a field, a message without fields, or an enum value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    kind: String,
    owner: String,
    number: i32,
    member: String,
    value_type: String,
    label: String,
}

impl Row {
    fn new(
        kind: &str,
        owner: &str,
        number: i32,
        member: &str,
        value_type: &str,
        label: &str,
    ) -> Self {
        Self {
            kind: kind.to_owned(),
            owner: owner.to_owned(),
            number,
            member: member.to_owned(),
            value_type: value_type.to_owned(),
            label: label.to_owned(),
        }
    }

    /// Reads a line of the table; its last column, the origin, is for human readers.
    fn parse(line: &str) -> Self {
        let columns: Vec<&str> = line.split('\t').collect();
        let [kind, owner, number, member, value_type, label, _origin] = columns[..] else {
            panic!("expected 7 columns: {line:?}");
        };
        let number = number.parse().unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self::new(kind, owner, number, member, value_type, label)
    }

    /// Whether `name` is the message or enum that this row uses, or one of those the RPC uses.
    fn uses(&self, name: &str) -> bool {
        self.value_type.split(['<', '>', ',', ' ']).any(|part| part == name)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, owner, number, member, value_type, label } = self;
        write!(f, "{kind} {owner} {number} {member} {value_type} {label}")
    }
}

fn table_rows(table: &str) -> BTreeSet<Row> {
    table.lines().filter(|line| !line.starts_with('#')).map(Row::parse).collect()
}

fn descriptor_rows(descriptors: &FileDescriptorSet) -> BTreeSet<Row> {
    let mut rows = BTreeSet::new();
    for file in &descriptors.file {
        for service in &file.service {
            let owner = format!("{}.{}", file.package(), service.name());
            rows.extend(service.method.iter().map(|method| rpc_row(&owner, method)));
        }
        for message in &file.message_type {
            add_message(&mut rows, file.package(), message);
        }
        for enumeration in &file.enum_type {
            add_enum(&mut rows, file.package(), enumeration);
        }
    }
    rows
}

fn rpc_row(owner: &str, method: &MethodDescriptorProto) -> Row {
    let label = match (method.client_streaming(), method.server_streaming()) {
        (false, false) => "unary",
        (false, true) => "server-stream",
        (true, false) => "client-stream",
        (true, true) => "bidirectional-stream",
    };
    let types = format!("{} -> {}", absolute(method.input_type()), absolute(method.output_type()));
    Row::new("rpc", owner, 0, method.name(), &types, label)
}

fn add_message(rows: &mut BTreeSet<Row>, scope: &str, message: &DescriptorProto) {
    let owner = format!("{scope}.{}", message.name());
    if message.field.iter().all(|field| field.number() >= FIRST_OWN_NUMBER) {
        rows.insert(Row::new("field", &owner, 0, NOTHING, NOTHING, NOTHING));
    }
    rows.extend(message.field.iter().map(|field| field_row(&owner, message, field)));
    for nested in message.nested_type.iter().filter(|nested| !is_map_entry(nested)) {
        add_message(rows, &owner, nested);
    }
    for enumeration in &message.enum_type {
        add_enum(rows, &owner, enumeration);
    }
}

fn add_enum(rows: &mut BTreeSet<Row>, scope: &str, enumeration: &EnumDescriptorProto) {
    let owner = format!("{scope}.{}", enumeration.name());
    rows.extend(
        enumeration
            .value
            .iter()
            .map(|value| Row::new("enum", &owner, value.number(), value.name(), NOTHING, NOTHING)),
    );
}

fn field_row(owner: &str, message: &DescriptorProto, field: &FieldDescriptorProto) -> Row {
    let map_entry = message.nested_type.iter().find(|nested| {
        is_map_entry(nested) && absolute(field.type_name()) == format!("{owner}.{}", nested.name())
    });
    let (value_type, label) = match map_entry {
        Some(entry) => {
            let [key, value] = &entry.field[..] else { panic!("{owner}: a map of odd form") };
            (format!("map<{},{}>", type_of(key), type_of(value)), "map".to_owned())
        },
        None => (type_of(field), label_of(message, field)),
    };
    Row::new("field", owner, field.number(), field.name(), &value_type, &label)
}

fn is_map_entry(message: &DescriptorProto) -> bool {
    message.options.as_ref().is_some_and(prost_types::MessageOptions::map_entry)
}

fn type_of(field: &FieldDescriptorProto) -> String {
    match field.r#type() {
        Type::Message | Type::Enum => absolute(field.type_name()).to_owned(),
        scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    }
}

fn label_of(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    if field.label() == Label::Repeated {
        "repeated".to_owned()
    } else if field.proto3_optional() {
        "optional".to_owned()
    } else if let Some(index) = field.oneof_index {
        format!("oneof {}", message.oneof_decl[index as usize].name())
    } else if field.r#type() == Type::Message {
        "message (presence)".to_owned()
    } else {
        "singular".to_owned()
    }
}

/// A full type name without the leading dot that descriptors give it.
fn absolute(type_name: &str) -> &str {
    type_name.trim_start_matches('.')
}

/// One line for each row that one side has and the other lacks, additions of our own left out.
fn differences(contract: &BTreeSet<Row>, ours: &BTreeSet<Row>) -> Vec<String> {
    let missing = contract.difference(ours).map(|row| format!("missing: {row}"));
    let unexpected = ours.difference(contract).collect::<BTreeSet<_>>();
    let allowed = own_additions(contract, &unexpected);
    let refused = unexpected.difference(&allowed).map(|row| format!("not in the contract: {row}"));
    missing.chain(refused).collect()
}

/// Those of the `candidates` that may be added to the contract: new RPCs, fields and enum values
/// with numbers of our own, and whatever is in the new messages and enums that any of these use.
fn own_additions<'a>(
    contract: &BTreeSet<Row>,
    candidates: &BTreeSet<&'a Row>,
) -> BTreeSet<&'a Row> {
    let is_new_rpc =
        |row: &Row| row.kind == "rpc" && !contract.iter().any(|known| known.member == row.member);
    let is_new_type = |row: &Row| !contract.iter().any(|known| known.owner == row.owner);
    let mut allowed: BTreeSet<&Row> = BTreeSet::new();
    loop {
        let more: BTreeSet<&Row> = candidates
            .difference(&allowed)
            .copied()
            .filter(|row| {
                let in_used_type =
                    is_new_type(row) && allowed.iter().any(|user| user.uses(&row.owner));
                is_new_rpc(row) || is_own_number(contract, row) || in_used_type
            })
            .collect();
        if more.is_empty() {
            return allowed;
        }
        allowed.extend(more);
    }
}

fn is_own_number(contract: &BTreeSet<Row>, row: &Row) -> bool {
    row.number >= FIRST_OWN_NUMBER && contract.iter().any(|known| known.owner == row.owner)
}

fn our_rows() -> BTreeSet<Row> {
    descriptor_rows(&FileDescriptorSet::decode(DESCRIPTOR_SET).unwrap())
}

#[test]
fn the_protos_match_the_contract() {
    let differences = differences(&table_rows(CONTRACT), &our_rows());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn changes_and_gaps_are_all_reported() {
    let removed = "enum\ttypes.Network\t3\tSIGNET\t-\t-\thead\n";
    let before = "field\tapi.OnchainSendRequest\t2\tamount_sats\tuint64\toptional\tbase\n";
    let after = "field\tapi.OnchainSendRequest\t2\tamount_sats\tuint32\toptional\tbase\n";
    assert!(CONTRACT.contains(removed) && CONTRACT.contains(before));
    let altered = CONTRACT.replace(removed, "").replace(before, after);

    assert_eq!(
        differences(&table_rows(&altered), &our_rows()),
        [
            "missing: field api.OnchainSendRequest 2 amount_sats uint32 optional",
            "not in the contract: enum types.Network 3 SIGNET - -",
            "not in the contract: field api.OnchainSendRequest 2 amount_sats uint64 optional",
        ]
    );
}

#[test]
fn a_changed_rpc_is_no_new_rpc() {
    let altered = CONTRACT.replace("\tserver-stream\t", "\tunary\t");
    let types = "api.SubscribeEventsRequest -> events.EventEnvelope";

    assert_eq!(
        differences(&table_rows(&altered), &our_rows()),
        [
            format!("missing: rpc api.LightningNode 0 SubscribeEvents {types} unary"),
            format!(
                "not in the contract: rpc api.LightningNode 0 SubscribeEvents {types} server-stream"
            ),
        ]
    );
}

#[test]
fn additions_of_our_own_are_recognised() {
    let contract = table_rows(CONTRACT);
    let accepted = [
        Row::new("rpc", "api.LightningNode", 0, "Ping", "api.PingRequest -> api.Pong", "unary"),
        Row::new("field", "api.PingRequest", 0, NOTHING, NOTHING, NOTHING),
        Row::new("field", "api.Pong", 1, "moods", "map<uint32,types.Mood>", "map"),
        Row::new("enum", "types.Mood", 0, "GOOD", NOTHING, NOTHING),
        Row::new("field", "types.Peer", 1000, "trust", "types.Trust", "message (presence)"),
        Row::new("field", "types.Trust", 1, "level", "uint32", "singular"),
        Row::new("enum", "types.Network", 1000, "MUTINYNET", NOTHING, NOTHING),
    ];
    let refused = [
        Row::new("field", "types.Peer", 5, "nickname", "string", "singular"),
        Row::new("field", "types.Unused", 1, "orphan", "string", "singular"),
        Row::new("field", "types.Unused", 1000, "orphan", "string", "singular"),
    ];
    let ours = contract.iter().cloned().chain(accepted).chain(refused.clone()).collect();

    assert_eq!(
        differences(&contract, &ours),
        refused.map(|row| format!("not in the contract: {row}"))
    );
}
