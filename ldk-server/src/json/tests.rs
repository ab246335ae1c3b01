//! Every message there and back, and what is refused.

use base64::Engine as _;
use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;

use super::*;

fn random_message(random: &mut StdRng, descriptor: &MessageDescriptor) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        // The last member of a oneof that is set takes the place of the others.
        if random.random_bool(0.7) {
            let value = random_content(random, &field);
            message.set_field(&field, value);
        }
    }
    message
}

fn random_content(random: &mut StdRng, field: &FieldDescriptor) -> Value {
    let kind = field.kind();
    if let (true, Kind::Message(entry)) = (field.is_map(), &kind) {
        let key_kind = entry.map_entry_key_field().kind();
        let value_kind = entry.map_entry_value_field().kind();
        let entries = (0..random.random_range(0..4))
            .map(|_| (random_key(random, &key_kind), random_value(random, &value_kind)));
        return Value::Map(entries.collect());
    }
    if field.is_list() {
        let count = random.random_range(0..4);
        return Value::List((0..count).map(|_| random_value(random, &kind)).collect());
    }
    random_value(random, &kind)
}

fn random_key(random: &mut StdRng, kind: &Kind) -> MapKey {
    let key = random_value(random, kind).into_map_key();
    key.expect("keys of maps are numbers or text")
}

fn random_value(random: &mut StdRng, kind: &Kind) -> Value {
    match kind {
        Kind::Bool => Value::Bool(random.random()),
        Kind::Int32 => Value::I32(random.random()),
        Kind::Uint32 => Value::U32(random.random()),
        Kind::Int64 => Value::I64(random.random::<i64>() >> random.random_range(0..64)),
        Kind::Uint64 => Value::U64(random.random::<u64>() >> random.random_range(0..64)),
        Kind::Double => Value::F64(random.random::<f64>()),
        Kind::String => {
            let count = random.random_range(0..9);
            Value::String((0..count).map(|_| random.random::<char>()).collect())
        },
        Kind::Bytes => {
            let mut bytes = vec![0; random.random_range(0..40)];
            random.fill(&mut bytes[..]);
            Value::Bytes(bytes.into())
        },
        Kind::Enum(descriptor) => {
            let values: Vec<_> = descriptor.values().collect();
            Value::EnumNumber(values[random.random_range(0..values.len())].number())
        },
        Kind::Message(message) => Value::Message(random_message(random, message)),
        other => panic!("no message of the API has a {other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_message_comes_back_as_it_was(seed in any::<u64>()) {
        let mut random = StdRng::seed_from_u64(seed);
        for method in methods() {
            for descriptor in [&method.request, &method.response] {
                let bytes = random_message(&mut random, descriptor).encode_to_vec();
                let message = DynamicMessage::decode(descriptor.clone(), &*bytes).unwrap();
                let json = encode(descriptor, &bytes).unwrap();
                let back = decode(descriptor, &json);
                let text = String::from_utf8_lossy(&json);
                let back = back.map_err(|refused| TestCaseError::fail(format!("{refused}: {text}")))?;
                let back = DynamicMessage::decode(descriptor.clone(), &*back).unwrap();
                prop_assert_eq!(back, message);
            }
        }
    }

    #[test]
    fn no_text_makes_it_panic(json in ".{0,200}", bytes in any::<Vec<u8>>()) {
        for method in methods() {
            let _ = decode(&method.request, json.as_bytes());
            let _ = decode(&method.request, &bytes);
        }
    }
}

fn request(method_name: &str) -> &'static MessageDescriptor {
    &method(method_name).unwrap().request
}

/// What a request in JSON says, as the answer would say it.
fn normal(method_name: &str, json: &serde_json::Value) -> serde_json::Value {
    let descriptor = request(method_name);
    let bytes = decode(descriptor, json.to_string().as_bytes()).unwrap();
    serde_json::from_slice(&encode(descriptor, &bytes).unwrap()).unwrap()
}

fn refusal(method_name: &str, json: &str) -> String {
    decode(request(method_name), json.as_bytes()).unwrap_err().to_string()
}

#[test]
fn fields_go_by_their_two_names_and_are_answered_by_the_first() {
    let invoice = json!({"invoice": "lnbcrt1", "amountMsat": "5000"});
    assert_eq!(
        normal("Bolt11Send", &invoice),
        json!({
            "invoice": "lnbcrt1",
            "amount_msat": 5000,
            "allow_overpayment": false,
            "idempotency_key": "",
            "label": "",
            "metadata": {}
        })
    );
}

#[test]
fn what_cannot_be_absent_is_always_there() {
    let node = &method("GetNodeInfo").unwrap().response;
    let json: serde_json::Value = serde_json::from_slice(&encode(node, &[]).unwrap()).unwrap();
    assert_eq!(json["node_id"], "");
    assert_eq!(json["listening_addresses"], json!([]));
    assert_eq!(json["features"], json!({}));
    assert!(json.get("node_alias").is_none() && json.get("current_best_block").is_none());
}

#[test]
fn numbers_that_a_double_would_round_are_text() {
    let amount = |amount: serde_json::Value| {
        normal("Bolt11Send", &json!({"amount_msat": amount}))["amount_msat"].clone()
    };
    assert_eq!(amount(json!(9_007_199_254_740_991_u64)), json!(9_007_199_254_740_991_u64));
    assert_eq!(amount(json!(9_007_199_254_740_992_u64)), json!("9007199254740992"));
    assert_eq!(amount(json!(u64::MAX)), json!("18446744073709551615"));
    assert_eq!(amount(json!("18446744073709551615")), json!("18446744073709551615"));
    assert_eq!(amount(json!(1e3)), json!(1000));
    let channel = json!({"short_channel_id": 1});
    assert_eq!(normal("GraphGetChannel", &channel), json!({"short_channel_id": "1"}));
    let index = |index: i64| json!({"page_token": {"token": "a", "index": index}});
    assert_eq!(normal("ListPayments", &index(-5))["page_token"]["index"], json!("-5"));
}

#[test]
fn enums_go_by_name_or_number() {
    let by_number = normal("ListPayments", &json!({"status": 1}));
    assert_eq!(by_number["status"], json!("SUCCEEDED"));
    assert_eq!(normal("ListPayments", &json!({"status": "SUCCEEDED"})), by_number);
}

#[test]
fn bytes_are_base64_of_either_kind() {
    for text in ["+/8=", "+/8", "-_8=", "-_8"] {
        assert_eq!(normal("SignMessage", &json!({"message": text})), json!({"message": "+/8="}));
    }
    let long = base64::prelude::BASE64_STANDARD.encode([7; 1000]);
    assert_eq!(normal("SignMessage", &json!({"message": long}))["message"], json!(long));
}

#[test]
fn nothing_and_null_leave_a_field_as_it_is() {
    for json in ["", " \n", "{}", r#"{"amount_msat":null,"route_parameters":null}"#] {
        let bytes = decode(request("Bolt11Send"), json.as_bytes()).unwrap();
        assert!(bytes.is_empty(), "{json}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_path() {
    for (method_name, json, told) in [
        (
            "GetNodeInfo",
            r#"{"x":1}"#,
            "x is no field of api.GetNodeInfoRequest, which has these: none",
        ),
        ("Bolt11Send", r#"{"amount":1}"#, "amount is no field of api.Bolt11SendRequest"),
        (
            "Bolt11Send",
            r#"{"amount_msat":1.5}"#,
            "amount_msat must be a whole number from 0 to 184467",
        ),
        ("Bolt11Send", r#"{"amount_msat":-1}"#, "amount_msat must be a whole number from 0 to"),
        ("Bolt11Send", r#"{"amount_msat":18446744073709551616}"#, "amount_msat must be"),
        ("Bolt11Send", r#"{"amount_msat":"18446744073709551616"}"#, "amount_msat must be"),
        ("Bolt11Send", r#"{"amount_msat":9007199254740993.0}"#, "amount_msat must be"),
        ("Bolt11Send", r#"{"amount_msat":1e400}"#, "is not well-formed JSON"),
        ("Bolt11Send", r#"{"amount_msat":"1e3"}"#, "amount_msat must be"),
        ("Bolt11Send", r#"{"amount_msat":"+1"}"#, "amount_msat must be"),
        ("Bolt11Send", r#"{"amount_msat":" 1"}"#, "amount_msat must be"),
        ("Bolt11Send", r#"{"amount_msat":""}"#, "amount_msat must be"),
        ("Bolt11Send", r#"{"amount_msat":true}"#, "amount_msat must be"),
        ("Bolt11Send", r#"{"amount_msat":{}}"#, "amount_msat must be"),
        ("Bolt11Send", r#"{"amount_msat":[1]}"#, "amount_msat must be"),
        ("Bolt11Send", r#"{"invoice":1}"#, "invoice must be text"),
        ("Bolt11Send", r#"{"route_parameters":[]}"#, "route_parameters must be an object"),
        (
            "Bolt11Send",
            r#"{"route_parameters":{"max_path_count":4294967296}}"#,
            "route_parameters.max_path_count must be a whole number from 0 to 4294967295",
        ),
        ("Bolt11Send", r#"{"invoice":"a","invoice":"b"}"#, "invoice is given twice"),
        ("Bolt11Send", r#"{"amount_msat":1,"amountMsat":1}"#, "amountMsat is given twice"),
        ("Bolt11Send", r#"{"amount_msat":null,"amount_msat":1}"#, "amount_msat is given twice"),
        ("SignMessage", r#"{"message":"*"}"#, "message must be bytes in base64"),
        ("SpontaneousSend", r#"{"custom_tlvs":{}}"#, "custom_tlvs must be an array"),
        ("SpontaneousSend", r#"{"custom_tlvs":[null]}"#, "custom_tlvs[0] must not be null"),
        (
            "SpontaneousSend",
            r#"{"custom_tlvs":[{"type_num":1},{"type_num":"x"}]}"#,
            "custom_tlvs[1].type_num must be a whole number",
        ),
        ("ListPayments", r#"{"status":"PAID"}"#, "status must be one of PENDING"),
        ("ListPayments", r#"{"status":99}"#, "status must be one of PENDING"),
        (
            "OpenChannel",
            r#"{"channel_config":{"fixed_limit_msat":1,"fee_rate_multiplier":1}}"#,
            "channel_config.fee_rate_multiplier is given, and so is fixed_limit_msat",
        ),
        ("Bolt11Send", "[]", "the message must be an object"),
        ("Bolt11Send", "null", "the message must be an object"),
        ("Bolt11Send", "7", "the message must be an object"),
        ("Bolt11Send", "{", "the message is not well-formed JSON: EOF"),
        ("Bolt11Send", "{}{}", "the message is not well-formed JSON: trailing"),
        ("Bolt11Send", r#"{"invoice":"\ud800"}"#, "invoice is not well-formed JSON"),
        ("Bolt11Send", "{\"invoice\":\"a\u{0}\"}", "invoice is not well-formed JSON"),
        ("Bolt11Send", "\u{feff}{}", "the message is not well-formed JSON"),
    ] {
        let refused = refusal(method_name, json);
        assert!(refused.contains(told), "{json}: {refused}");
    }
}

#[test]
fn what_is_refused_is_not_repeated() {
    let refused = refusal("SpontaneousSend", r#"{"preimage":["secret"]}"#);
    assert_eq!(refused, "preimage must be text");
    assert!(!refusal("Bolt11Send", r#"{"amount_msat":"secret"}"#).contains("secret"));
}

#[test]
fn deep_and_long_texts_end_early() {
    let deep = r#"{"route_parameters":"#.repeat(1_000_000);
    assert!(refusal("Bolt11Send", &deep).starts_with("route_parameters.route_parameters is no"));
    assert_eq!(refusal("Bolt11Send", &"[".repeat(1_000_000)), "the message must be an object");
    let digits = format!(r#"{{"amount_msat":{}}}"#, "9".repeat(1_000_000));
    assert!(refusal("Bolt11Send", &digits).contains("amount_msat"));
}

#[test]
fn bytes_of_another_message_are_no_json() {
    assert!(encode(request("Bolt11Send"), &[0x0a, 0xff]).is_err());
}
