//! What restrictions can ask about a call.

use std::borrow::Cow;
use std::cell::OnceCell;

use ldk_server_grpc::rune::{Fact, Facts, Field};
use prost::Message;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, MessageDescriptor, ReflectMessage as _, Value,
};

use super::messages;
use crate::access::{Access, ForeignCall};

/// A call, as restrictions see it.
pub(super) struct CallFacts<'a, M> {
    /// The name in the proto file.
    pub(super) method: &'static str,
    pub(super) group: Access,
    pub(super) caller_id: Option<&'a str>,
    pub(super) now_secs: u64,
    other_name: Option<&'static str>,
    foreign_call: Option<&'a ForeignCall>,
    request: &'a M,
    /// The request, by the names of its fields. Most restrictions do not ask for it.
    fields: OnceCell<Option<DynamicMessage>>,
}

impl<'a, M: Message> CallFacts<'a, M> {
    pub(super) fn new(
        (method, group): (&'static str, Access),
        request: &'a M,
        caller_id: Option<&'a str>,
        now_secs: u64,
    ) -> Self {
        let (other_name, foreign_call, fields) = (None, None, OnceCell::new());
        Self { method, group, caller_id, now_secs, other_name, foreign_call, request, fields }
    }

    /// The same call, which other software has this name for.
    pub(super) fn also_called(self, other_name: Option<&'static str>) -> Self {
        Self { other_name, ..self }
    }

    /// The same call, as a part of one of other software, which has the parameters.
    pub(super) fn part_of(self, foreign_call: Option<&'a ForeignCall>) -> Self {
        Self { foreign_call, ..self }
    }

    fn fields(&self) -> Option<&DynamicMessage> {
        let read = || {
            let descriptor = messages::request_of(self.method)?;
            DynamicMessage::decode(descriptor, self.request.encode_to_vec().as_slice()).ok()
        };
        self.fields.get_or_init(read).as_ref()
    }

    fn parameter(&self, path: &str) -> Fact<'_> {
        self.fields().map_or(Fact::Unknown, |fields| in_message(fields, path))
    }
}

impl<M: Message> Facts for CallFacts<'_, M> {
    fn fact(&self, field: Field<'_>) -> Fact<'_> {
        if let Some(parameter) = self.foreign_call.and_then(|call| call.parameter(field)) {
            return parameter;
        }
        match field {
            Field::Method => {
                let mut names = spellings(self.method);
                names.extend(self.other_name.map(Cow::Borrowed));
                names.extend(self.foreign_call.map(|call| Cow::Borrowed(call.method())));
                Fact::Spellings(names)
            },
            Field::Group => Fact::text(self.group.name()),
            Field::Time => Fact::number(self.now_secs),
            Field::CallerId => self.caller_id.map_or(Fact::Missing, Fact::text),
            Field::ParameterCount => self
                .fields()
                .map_or(Fact::Unknown, |fields| Fact::number(fields.fields().count() as u64)),
            // Parameters have names here, and no order; and more may be paid than an invoice asks for.
            Field::ParameterAt(_) | Field::OfInvoice(..) => Fact::Unknown,
            Field::Parameter(path) => self.parameter(path),
        }
    }
}

/// `Bolt11Send`, `bolt11-send`.
fn spellings(method: &'static str) -> Vec<Cow<'static, str>> {
    let mut kebab = String::with_capacity(method.len() + 4);
    for (at, letter) in method.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            kebab.push('-');
        }
        kebab.push(letter.to_ascii_lowercase());
    }
    vec![Cow::Borrowed(method), Cow::Owned(kebab)]
}

/// The field of a message with this path. Names have underscores, too, so that a path can be read in
/// several ways; one that leads to a field is taken.
fn in_message<'a>(message: &DynamicMessage, path: &str) -> Fact<'a> {
    let descriptor = message.descriptor();
    let readings = descriptor.fields().filter_map(|field| {
        let rest = path.strip_prefix(field.name())?;
        let rest = if rest.is_empty() { rest } else { rest.strip_prefix('_')? };
        exists(&field, rest).then(|| (field.clone(), rest.to_owned()))
    });
    // The longest name: that of the field itself, before that of a message with such a field.
    let reading = readings.max_by_key(|(field, _)| field.name().len());
    let Some((field, rest)) = reading else { return Fact::Unknown };
    if !message.has_field(&field) && field.supports_presence() {
        return Fact::Missing;
    }
    let value = message.get_field(&field);
    match (&*value, rest.as_str()) {
        (Value::Message(inner), rest) if !rest.is_empty() => in_message(inner, rest),
        (Value::List(values), _) => list(&field, values),
        (value, _) => text(&field, value).map_or(Fact::Unknown, Fact::text),
    }
}

/// Whether this path goes on to a field that can be compared.
fn exists(field: &FieldDescriptor, rest: &str) -> bool {
    match (field.kind().as_message(), rest) {
        (Some(message), rest) if !rest.is_empty() => !field.is_list() && leads(message, rest),
        // Of a message, it can be asked whether it is there.
        (_, "") => true,
        _ => false,
    }
}

fn leads(message: &MessageDescriptor, path: &str) -> bool {
    message.fields().any(|field| {
        let rest = path.strip_prefix(field.name());
        let rest =
            rest.and_then(|rest| if rest.is_empty() { Some(rest) } else { rest.strip_prefix('_') });
        rest.is_some_and(|rest| exists(&field, rest))
    })
}

fn list<'a>(field: &FieldDescriptor, values: &[Value]) -> Fact<'a> {
    let texts: Option<Vec<_>> =
        values.iter().map(|value| text(field, value).map(Cow::Owned)).collect();
    texts.map_or(Fact::Unknown, Fact::List)
}

/// A value as it is compared: numbers in decimal, bytes in hex, enums by name.
fn text(field: &FieldDescriptor, value: &Value) -> Option<String> {
    Some(match value {
        Value::Bool(value) => value.to_string(),
        Value::I32(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F32(value) => value.to_string(),
        Value::F64(value) => value.to_string(),
        Value::String(value) => value.clone(),
        Value::Bytes(value) => hex::encode(value),
        Value::EnumNumber(number) => {
            let kind = field.kind();
            let name = kind.as_enum()?.get_value(*number).map(|value| value.name().to_owned());
            name.unwrap_or_else(|| number.to_string())
        },
        // It is there, and has no value of its own.
        Value::Message(_) => String::new(),
        Value::List(_) | Value::Map(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use ldk_server_grpc::api::{Bolt11SendRequest, GetNodeInfoRequest, OpenChannelRequest};
    use ldk_server_grpc::rune::{Restriction, evaluate};
    use ldk_server_grpc::types::{ChannelConfig, RouteParametersConfig};

    use super::*;

    fn allows<M: Message>(restriction: &str, method: &'static str, request: &M) -> bool {
        let facts = CallFacts::new((method, Access::Pay), request, Some("shop"), 1_800_000_000);
        let restriction: Restriction = restriction.parse().unwrap();
        evaluate(&[restriction], &facts).is_ok()
    }

    #[test]
    fn a_call_is_known_by_its_name_group_time_and_caller() {
        let allows = |restriction| allows(restriction, "GetNodeInfo", &GetNodeInfoRequest {});
        for restriction in [
            "method=GetNodeInfo",
            "method=get-node-info",
            "method^Get",
            "group=pay",
            "time<1800000001",
            "id=shop",
            "pnum=0",
            "group=read|group=pay",
        ] {
            assert!(allows(restriction), "{restriction}");
        }
        for restriction in [
            "method/get-node-info",
            "group=read",
            "time<1800000000",
            "id=shops",
            "parr0!",
            "color=red",
        ] {
            assert!(!allows(restriction), "{restriction}");
        }
    }

    #[test]
    fn parameters_are_compared_by_their_names() {
        let route_parameters =
            Some(RouteParametersConfig { max_path_count: 7, ..RouteParametersConfig::default() });
        let request = Bolt11SendRequest {
            invoice: "lnbc1".to_owned(),
            amount_msat: Some(99_999),
            route_parameters,
            ..Bolt11SendRequest::default()
        };
        let allows = |restriction| allows(restriction, "Bolt11Send", &request);
        for restriction in [
            "pname_amount_msat<100000",
            "pname_invoice^lnbc",
            "pname_route_parameters_max_path_count=7",
            "pname_route_parameters_max_total_routing_fee_msat!",
            "pnum=3",
        ] {
            assert!(allows(restriction), "{restriction}");
        }
        for restriction in [
            "pname_amount_msat<99999",
            "pname_amount_msat!",
            "pname_amount!",
            "pname_no_such_field!",
            "pname_route_parameters_no_such_field!",
        ] {
            assert!(!allows(restriction), "{restriction}");
        }
    }

    #[test]
    fn what_a_request_leaves_out_is_missing_unless_it_has_a_value_all_the_same() {
        let request = Bolt11SendRequest::default();
        assert!(allows("pname_amount_msat!", "Bolt11Send", &request));
        assert!(!allows("pname_amount_msat<5", "Bolt11Send", &request));
        assert!(allows("pname_route_parameters!", "Bolt11Send", &request));
        assert!(allows("pname_route_parameters_max_path_count!", "Bolt11Send", &request));
        let request = OpenChannelRequest::default();
        assert!(allows("pname_announce_channel=false", "OpenChannel", &request));
        assert!(!allows("pname_announce_channel!", "OpenChannel", &request));
        assert!(allows("pname_channel_amount_sats!", "OpenChannel", &request));
        let channel_config =
            Some(ChannelConfig { forwarding_fee_base_msat: Some(3), ..Default::default() });
        let request = OpenChannelRequest { channel_config, ..request };
        let restriction = "pname_channel_config_forwarding_fee_base_msat=3";
        assert!(allows(restriction, "OpenChannel", &request));
    }
}
