//! Every RPC, message, field, oneof, enum and enum value has a comment of its own in the proto
//! files, from which the documentation of all generated code is made.

#![allow(clippy::unwrap_used, reason = "clippy takes the helpers of a test for production code")]

use std::collections::HashMap;

use ldk_server_grpc::DESCRIPTOR_SET;
use prost::Message as _;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, OneofDescriptorProto,
};

/// Field numbers of `descriptor.proto`, of which the path to a place in a file is made.
mod tag {
    pub(crate) const FILE_MESSAGE: i32 = 4;
    pub(crate) const FILE_ENUM: i32 = 5;
    pub(crate) const FILE_SERVICE: i32 = 6;
    pub(crate) const MESSAGE_FIELD: i32 = 2;
    pub(crate) const MESSAGE_NESTED: i32 = 3;
    pub(crate) const MESSAGE_ENUM: i32 = 4;
    pub(crate) const MESSAGE_ONEOF: i32 = 8;
    pub(crate) const ENUM_VALUE: i32 = 2;
    pub(crate) const SERVICE_METHOD: i32 = 2;
}

/// A place in a file that needs a comment: its path in the descriptor, and its name for people.
type Place = (Vec<i32>, String);

fn places(file: &FileDescriptorProto) -> Vec<Place> {
    let mut places = Vec::new();
    for (index, service) in (0..).zip(&file.service) {
        let path = [tag::FILE_SERVICE, index];
        let name = format!("{}.{}", file.package(), service.name());
        let methods = service.method.iter().map(MethodDescriptorProto::name);
        add_members(&mut places, &path, tag::SERVICE_METHOD, &name, methods);
        places.push((path.to_vec(), name));
    }
    for (index, message) in (0..).zip(&file.message_type) {
        add_message(&mut places, &[tag::FILE_MESSAGE, index], file.package(), message);
    }
    for (index, enumeration) in (0..).zip(&file.enum_type) {
        add_enum(&mut places, &[tag::FILE_ENUM, index], file.package(), enumeration);
    }
    places
}

fn add_message(places: &mut Vec<Place>, path: &[i32], scope: &str, message: &DescriptorProto) {
    if message.options.as_ref().is_some_and(prost_types::MessageOptions::map_entry) {
        return;
    }
    let name = format!("{scope}.{}", message.name());
    let fields = message.field.iter().map(FieldDescriptorProto::name);
    add_members(places, path, tag::MESSAGE_FIELD, &name, fields);
    // An `optional` field has a oneof of its own in the descriptor only, after all written ones.
    let optional = message.field.iter().filter(|field| field.proto3_optional()).count();
    let written = &message.oneof_decl[..message.oneof_decl.len() - optional];
    let oneofs = written.iter().map(OneofDescriptorProto::name);
    add_members(places, path, tag::MESSAGE_ONEOF, &name, oneofs);
    for (index, nested) in (0..).zip(&message.nested_type) {
        add_message(places, &[path, &[tag::MESSAGE_NESTED, index]].concat(), &name, nested);
    }
    for (index, enumeration) in (0..).zip(&message.enum_type) {
        add_enum(places, &[path, &[tag::MESSAGE_ENUM, index]].concat(), &name, enumeration);
    }
    places.push((path.to_vec(), name));
}

fn add_enum(places: &mut Vec<Place>, path: &[i32], scope: &str, enumeration: &EnumDescriptorProto) {
    let name = format!("{scope}.{}", enumeration.name());
    let values = enumeration.value.iter().map(EnumValueDescriptorProto::name);
    add_members(places, path, tag::ENUM_VALUE, &name, values);
    places.push((path.to_vec(), name));
}

fn add_members<'a>(
    places: &mut Vec<Place>,
    path: &[i32],
    tag: i32,
    owner: &str,
    names: impl Iterator<Item = &'a str>,
) {
    places.extend(
        (0..)
            .zip(names)
            .map(|(index, name)| ([path, &[tag, index]].concat(), format!("{owner}.{name}"))),
    );
}

/// The names of all places without a comment, or with a placeholder in place of one.
fn undocumented(descriptors: &FileDescriptorSet) -> Vec<String> {
    let mut names = Vec::new();
    for file in &descriptors.file {
        let comments: HashMap<&[i32], &str> = file
            .source_code_info
            .iter()
            .flat_map(|info| &info.location)
            .map(|location| (&location.path[..], location.leading_comments()))
            .collect();
        names.extend(places(file).into_iter().filter_map(|(path, name)| {
            let comment = comments.get(&path[..]).map_or("", |comment| comment.trim());
            (comment.is_empty() || comment.contains("DOC")).then_some(name)
        }));
    }
    names
}

fn descriptors() -> FileDescriptorSet {
    FileDescriptorSet::decode(DESCRIPTOR_SET).unwrap()
}

#[test]
fn everything_is_documented() {
    let undocumented = undocumented(&descriptors());
    assert!(undocumented.is_empty(), "without comment:\n{}", undocumented.join("\n"));
}

#[test]
fn missing_comments_and_placeholders_are_noticed() {
    let mut descriptors = descriptors();
    let file = descriptors.file.iter_mut().find(|file| file.package() == "error").unwrap();
    for location in &mut file.source_code_info.as_mut().unwrap().location {
        match location.path[..] {
            [tag::FILE_MESSAGE, 0, tag::MESSAGE_FIELD, 1] => location.leading_comments = None,
            [tag::FILE_ENUM, 0, tag::ENUM_VALUE, 3] => {
                location.leading_comments = Some(" DOC\n".to_owned());
            },
            _ => {},
        }
    }

    assert_eq!(
        undocumented(&descriptors),
        ["error.ErrorResponse.error_code", "error.ErrorCode.LIGHTNING_ERROR"]
    );
}
