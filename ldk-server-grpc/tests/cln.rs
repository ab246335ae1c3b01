//! Compares the proto files of Core Lightning's service with the table of its contract, `cln.txt`: all
//! that the table names is there with its number, type and label, and nothing else but what is listed here.

#![allow(clippy::unwrap_used, reason = "clippy takes the helpers of a test for production code")]

use std::collections::BTreeSet;

use ldk_server_grpc::{CLN_DESCRIPTOR_SET, CLN_SERVICE_NAME};
use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet,
    MethodDescriptorProto,
};

const CONTRACT: &str = include_str!("cln.txt");

/// What the table does not have: two subscriptions that Core Lightning has, too.
const BESIDES: [&str; 6] = [
    "rpc SubscribeChannelOpenFailed StreamChannelOpenFailedRequest ChannelOpenFailedNotification*",
    "rpc SubscribeCustomMsg StreamCustomMsgRequest CustomMsgNotification*",
    "message StreamChannelOpenFailedRequest",
    "message ChannelOpenFailedNotification channel_id=1:bytes:-",
    "message StreamCustomMsgRequest",
    "message CustomMsgNotification peer_id=1:bytes:- payload=2:bytes:-",
];

fn short(type_name: &str) -> &str {
    type_name.strip_prefix(".cln.").unwrap()
}

fn rpc(method: &MethodDescriptorProto) -> String {
    let stream = if method.server_streaming() { "*" } else { "" };
    assert!(!method.client_streaming());
    let (request, response) = (short(method.input_type()), short(method.output_type()));
    format!("rpc {} {request} {response}{stream}", method.name())
}

fn type_of(field: &FieldDescriptorProto) -> &str {
    match field.r#type() {
        Type::Double => "double",
        Type::Uint64 => "uint64",
        Type::Uint32 => "uint32",
        Type::Sint64 => "sint64",
        Type::Bool => "bool",
        Type::String => "string",
        Type::Bytes => "bytes",
        Type::Message | Type::Enum => short(field.type_name()),
        _ => "a type that the table does not know",
    }
}

fn message(owner: &str, message: &DescriptorProto) -> String {
    let mut line = format!("message {owner}{}", message.name());
    for field in &message.field {
        let oneof = field.oneof_index.map(|index| message.oneof_decl[index as usize].name());
        let label = match oneof {
            _ if field.proto3_optional() => "?",
            Some(oneof) => oneof,
            None if field.label() == Label::Repeated => "*",
            None => "-",
        };
        line += &format!(" {}={}:{}:{label}", field.name(), field.number(), type_of(field));
    }
    line
}

fn enumeration(owner: &str, it: &EnumDescriptorProto) -> String {
    let values = it.value.iter().map(|value| format!(" {}={}", value.name(), value.number()));
    format!("enum {owner}{}{}", it.name(), values.collect::<String>())
}

#[test]
fn names_and_numbers_are_those_of_core_lightning() {
    let files = FileDescriptorSet::decode(CLN_DESCRIPTOR_SET).unwrap();
    let mut found = BTreeSet::new();
    for file in &files.file {
        assert_eq!(file.package(), "cln");
        for service in &file.service {
            assert_eq!(format!("cln.{}", service.name()), CLN_SERVICE_NAME);
            found.extend(service.method.iter().map(rpc));
        }
        found.extend(file.enum_type.iter().map(|it| enumeration("", it)));
        for it in &file.message_type {
            found.insert(message("", it));
            let owner = format!("{}.", it.name());
            found.extend(it.enum_type.iter().map(|it| enumeration(&owner, it)));
            let entries = it.nested_type.iter().map(|nested| nested.options.as_ref());
            assert!(entries.flatten().all(prost_types::MessageOptions::map_entry));
        }
    }
    let lines = CONTRACT.lines().filter(|line| !line.starts_with('#')).chain(BESIDES);
    let expected: BTreeSet<_> = lines.map(str::to_owned).collect();
    let missing: Vec<_> = expected.difference(&found).collect();
    let others: Vec<_> = found.difference(&expected).collect();
    assert!(missing.is_empty() && others.is_empty(), "missing {missing:#?}\nothers {others:#?}");
    assert_eq!(found.len(), CONTRACT.lines().count() - 3 + BESIDES.len());
}
