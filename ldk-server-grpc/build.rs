//! Compiles the protocol definitions without needing a `protoc` on the machine, and writes, beside
//! the generated types, the descriptor set and one macro that lists every RPC.

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;

use prost::Message as _;
use protox::prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use protox::prost_reflect::prost_types::source_code_info::Location;
use protox::prost_reflect::prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorSet,
};

const PROTO_DIR: &str = "src/proto";
const PROTOS: [&str; 4] = ["api.proto", "events.proto", "types.proto", "error.proto"];
/// Core Lightning's service, whose messages have no types: they are read by their descriptors.
const CLN_PROTO: &str = "node.proto";
const CLN_PROTO_DIR: &str = "src/proto/cln";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PROTO_DIR}");
    let out_dir = PathBuf::from(std::env::var("OUT_DIR")?);
    let descriptors = protox::Compiler::new([PROTO_DIR])?
        .include_imports(true)
        .include_source_info(true)
        .open_files(PROTOS)?
        .file_descriptor_set();
    std::fs::write(out_dir.join("descriptor_set.bin"), descriptors.encode_to_vec())?;
    std::fs::write(out_dir.join("rpcs.rs"), rpc_table(&descriptors)?)?;
    let cln = protox::compile([CLN_PROTO], [CLN_PROTO_DIR])?;
    std::fs::write(out_dir.join("cln_descriptor_set.bin"), cln.encode_to_vec())?;

    write_server(descriptors.clone(), out_dir.join("server"))?;
    let mut builder = tonic_prost_build::configure()
        // Clients are built from the table of RPCs; see `for_each_unary_rpc!`.
        .build_client(false)
        .build_server(false)
        .btree_map(".")
        .emit_rerun_if_changed(false);
    for file in &descriptors.file {
        for message in &file.message_type {
            builder = json_attributes(builder, &format!(".{}", file.package()), message);
        }
    }
    builder.compile_fds(descriptors)?;
    Ok(())
}

/// Writes the server side of the service, for the types as they are in the crate. What is streamed to
/// many is encoded once for all of them.
fn write_server(descriptors: FileDescriptorSet, dir: PathBuf) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(&dir)?;
    let event = ".events.EventEnvelope";
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        .generate_default_stubs(true)
        .codec_path("crate::codec::ServerCodec")
        .extern_path(".api", "crate::api")
        .extern_path(".types", "crate::types")
        .extern_path(event, "crate::codec::Shared<crate::events::EventEnvelope>")
        .out_dir(dir)
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)?;
    Ok(())
}

/// The JSON shape of the messages: oneofs under their name, bytes as hex, enums by name.
fn json_attributes(
    mut builder: tonic_prost_build::Builder,
    scope: &str,
    message: &DescriptorProto,
) -> tonic_prost_build::Builder {
    let path = format!("{scope}.{}", message.name());
    let derive = "#[cfg_attr(feature = \"serde\", derive(::serde::Serialize))]";
    builder = builder.message_attribute(&path, derive);
    for (index, oneof) in message.oneof_decl.iter().enumerate() {
        let synthetic = message.field.iter().any(|field| {
            field.proto3_optional() && field.oneof_index.is_some_and(|i| i as usize == index)
        });
        if !synthetic {
            let oneof_path = format!("{path}.{}", oneof.name());
            builder = builder.enum_attribute(&oneof_path, derive).enum_attribute(
                &oneof_path,
                "#[cfg_attr(feature = \"serde\", serde(rename_all = \"snake_case\"))]",
            );
        }
    }
    if message.name() == "UnifiedSendResponse" {
        let flat = "#[cfg_attr(feature = \"serde\", serde(into = \"crate::json::UnifiedSend\"))]";
        builder = builder.message_attribute(&path, flat);
    }
    if message.name() == "ExportPathfindingScoresResponse" {
        let renamed = "#[cfg_attr(feature = \"serde\", serde(rename = \"pathfinding_scores\"))]";
        builder = builder.field_attribute(format!("{path}.scores"), renamed);
    }
    for field in &message.field {
        // What is told only when it was asked for, or is so.
        let skipped = match (message.name(), field.name()) {
            (_, "repeated") => Some("std::ops::Not::not"),
            (_, "outcome" | "failure_reason") => Some("Option::is_none"),
            ("Payment" | "BooksEntry", "label") => Some("String::is_empty"),
            ("Payment" | "BooksEntry", "metadata") => Some("std::collections::BTreeMap::is_empty"),
            _ => None,
        };
        if let Some(skipped) = skipped {
            builder = builder.field_attribute(
                format!("{path}.{}", field.name()),
                format!(
                    "#[cfg_attr(feature = \"serde\", serde(skip_serializing_if = \"{skipped}\"))]"
                ),
            );
        }
        if let Some(function) = json_function(field) {
            builder = builder.field_attribute(
                format!("{path}.{}", field.name()),
                format!("#[cfg_attr(feature = \"serde\", serde(serialize_with = \"{function}\"))]"),
            );
        }
    }
    builder
}

fn json_function(field: &FieldDescriptorProto) -> Option<String> {
    match field.r#type() {
        Type::Bytes if field.proto3_optional() => Some("crate::json::optional_hex".to_owned()),
        Type::Bytes => Some("crate::json::hex".to_owned()),
        Type::Enum if field.label() != Label::Repeated => {
            let name = field.type_name().trim_start_matches('.').replace('.', "::");
            let function = if field.proto3_optional() { "optional_enum_name" } else { "enum_name" };
            Some(format!("crate::json::{function}::<crate::{name}, _>"))
        },
        _ => None,
    }
}

/// Writes the macros `for_each_unary_rpc!` (every unary RPC) and `RPC_NAMES` (every RPC).
fn rpc_table(descriptors: &FileDescriptorSet) -> Result<String, Box<dyn Error>> {
    let api = descriptors
        .file
        .iter()
        .find(|file| file.package() == "api")
        .ok_or("no proto file declares the package `api`")?;
    let service = api.service.first().ok_or("api.proto declares no service")?;
    let comment_of = |index: usize| -> String {
        let wanted = [6, 0, 2, index as i32];
        let locations = api.source_code_info.iter().flat_map(|info| &info.location);
        locations
            .filter(|location| location.path == wanted)
            .map(Location::leading_comments)
            .collect()
    };

    let mut unary = String::new();
    let mut names = String::new();
    for (index, method) in service.method.iter().enumerate() {
        writeln!(names, "    {:?},", method.name())?;
        if method.server_streaming() || method.client_streaming() {
            continue;
        }
        for line in comment_of(index).trim_end().lines() {
            writeln!(unary, "            #[doc = {line:?}]")?;
        }
        writeln!(
            unary,
            "            {}: {:?}, $crate{} => $crate{};",
            snake_case(method.name()),
            method.name(),
            method.input_type().replace('.', "::"),
            method.output_type().replace('.', "::"),
        )?;
    }
    Ok(format!(
        "/// The name of every RPC of `{package}.{service}`, in the order of the proto file.\n\
         pub const RPC_NAMES: &[&str] = &[\n{names}];\n\n\
         /// Calls the macro it is given with one entry for each unary RPC:\n\
         /// `#[doc] method_name: \"MethodName\", Request => Response;`\n\
         #[macro_export]\n\
         macro_rules! for_each_unary_rpc {{\n    \
             ($callback:ident) => {{\n        $callback! {{\n{unary}        }}\n    }};\n}}\n",
        package = api.package(),
        service = service.name(),
    ))
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (index, character) in name.chars().enumerate() {
        if character.is_ascii_uppercase() && index > 0 {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}
