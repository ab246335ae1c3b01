//! The two generations of the API. Four messages have fields whose numbers mean one thing to clients of
//! the first, which is ours too, and another to those of the later one. Everything here is made in the
//! first; for a caller of the later one, what is encoded is written again with that one's numbers.

mod head;
mod rewrite;

use std::collections::HashMap;
use std::sync::LazyLock;

use http::HeaderMap;
use ldk_server_grpc::auth::Form;
use ldk_server_grpc::{DESCRIPTOR_SET, SERVICE_NAME};
use prost::{DecodeError, Message as _};
use prost_types::FileDescriptorSet;
use prost_types::field_descriptor_proto::Type;
use tonic::Status;

use rewrite::{Change, Shapes};

/// The metadata by which a caller says of which generation it is.
const HEADER: &str = "x-ldk-server-api";

/// Which numbers a caller reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// Those of the first generation of LDK Server, and of this project.
    Base,
    /// Those of the later generation.
    Head,
}

impl Generation {
    /// That of a caller who signs in this form, unless it says which.
    pub fn of(headers: &HeaderMap, form: Form) -> Result<Self, Status> {
        let mut values = headers.get_all(HEADER).iter();
        let said = match (values.next(), values.next()) {
            (None, _) => {
                return Ok(match form {
                    Form::TimestampOnly | Form::RequestBound => Self::Base,
                    Form::BodyBound => Self::Head,
                });
            },
            (Some(value), None) => value.as_bytes(),
            (Some(_), Some(_)) => b"more than one value",
        };
        match said {
            b"base" => Ok(Self::Base),
            b"head" => Ok(Self::Head),
            other => Err(Status::invalid_argument(format!(
                "{HEADER}: {:?} is no generation of the API; accepted are base and head",
                String::from_utf8_lossy(other)
            ))),
        }
    }
}

/// The messages of all methods, as far as they differ.
static METHODS: LazyLock<Methods> = LazyLock::new(Methods::of_this_service);

struct Methods {
    shapes: Shapes,
    /// The message that each method answers with.
    answers: HashMap<String, String>,
}

impl Methods {
    fn of_this_service() -> Self {
        // What is built in is well-formed; a test reads it.
        let files = FileDescriptorSet::decode(DESCRIPTOR_SET).unwrap_or_default().file;
        let mut fields = HashMap::new();
        let mut answers = HashMap::new();
        for file in &files {
            for message in &file.message_type {
                let inner = message.field.iter().filter(|field| field.r#type() == Type::Message);
                let inner = inner
                    .map(|field| (field.number().cast_unsigned(), plain(field.type_name())))
                    .collect();
                fields.insert(format!("{}.{}", file.package(), message.name()), inner);
            }
            for service in &file.service {
                if format!("{}.{}", file.package(), service.name()) == SERVICE_NAME {
                    let methods = service.method.iter();
                    answers.extend(
                        methods.map(|each| (each.name().to_owned(), plain(each.output_type()))),
                    );
                }
            }
        }
        let differing: [(_, Change); 3] = [
            ("types.PaymentKind", head::payment_kind),
            ("types.ForwardedPayment", head::forwarded_payment),
            ("types.BlindedPath", head::blinded_path),
        ];
        Self { shapes: Shapes::new(&fields, &differing.into()), answers }
    }
}

fn plain(type_name: &str) -> String {
    type_name.trim_start_matches('.').to_owned()
}

/// Whether the answers of this method differ between the generations.
pub fn differs(method: &str) -> bool {
    let answer = METHODS.answers.get(method);
    answer.is_some_and(|message| METHODS.shapes.differs(message))
}

/// The encoded answer of this method for a caller of the later generation.
pub fn answer_for_head(method: &str, answer: &[u8]) -> Result<Vec<u8>, DecodeError> {
    match METHODS.answers.get(method) {
        Some(message) => METHODS.shapes.rewrite(message, answer),
        None => Ok(answer.to_vec()),
    }
}

/// The encoded request of this method as this node reads it, whoever wrote it: the later generation has
/// `all_funds`, a message, where the first has `send_all`, a number.
pub fn request_from_any(method: &str, request: &[u8]) -> Result<Option<Vec<u8>>, DecodeError> {
    const SEND_ALL: u32 = 3;
    const ALL_FUNDS: u32 = 1000;
    match method {
        "OnchainSend" => rewrite::renumbered(request, SEND_ALL, ALL_FUNDS),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests;
