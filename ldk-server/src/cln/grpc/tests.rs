use prost::Message as _;
use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};
use serde_json::{Value as Json, json};
use tonic::Code;

use super::rpcs::tests::rpc;
use super::*;

/// A request with these fields, in the JSON of protobuf, as it comes over the wire.
fn request(call: &str, fields: Json) -> DynamicMessage {
    let descriptor = rpc(call).request.clone();
    let message = DynamicMessage::deserialize(descriptor.clone(), fields).unwrap();
    DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).unwrap()
}

fn params(call: &str, fields: Json) -> Json {
    params::of(&request(call, fields)).unwrap()
}

fn message(call: &str, answer: &Json) -> DynamicMessage {
    answers::message(&rpc(call).response, answer).unwrap()
}

fn field(message: &DynamicMessage, name: &str) -> Value {
    message.get_field_by_name(name).unwrap().into_owned()
}

/// Some bytes in the JSON of protobuf, which is base64.
const BYTES: &str = "AgME";

#[test]
fn requests_are_parameters() {
    for (call, fields, expected) in [
        ("Getinfo", json!({}), json!({})),
        (
            "Invoice",
            json!({
                "amountMsat": {"amount": {"msat": 5}},
                "label": "l",
                "description": "",
                "preimage": BYTES,
                "expiry": 60,
                "deschashonly": true,
            }),
            json!({
                "amount_msat": "5msat",
                "label": "l",
                "description": "",
                "preimage": "020304",
                "expiry": 60,
                "deschashonly": true,
            }),
        ),
        (
            "Invoice",
            json!({"amountMsat": {"any": true}, "exposeprivatechannels": ["1x1x1"]}),
            json!({
                "amount_msat": "any",
                "label": "",
                "description": "",
                "exposeprivatechannels": ["1x1x1"],
            }),
        ),
        ("WaitAnyInvoice", json!({}), json!({})),
        ("WaitAnyInvoice", json!({"lastpayIndex": 0}), json!({"lastpay_index": 0})),
        ("DelInvoice", json!({"label": "l"}), json!({"label": "l", "status": "paid"})),
        ("Feerates", json!({"style": "PERKW"}), json!({"style": "perkw"})),
        (
            "Withdraw",
            json!({
                "destination": "d",
                "satoshi": {"all": true},
                "feerate": {"perkb": 253},
                "utxos": [{"txid": BYTES, "outnum": 1}],
            }),
            json!({
                "destination": "d",
                "satoshi": "all",
                "feerate": "253perkb",
                "utxos": ["020304:1"],
            }),
        ),
        (
            "Withdraw",
            json!({"satoshi": {"amount": {"msat": 1000}}, "feerate": {"slow": true}}),
            json!({"destination": "", "satoshi": "1000msat", "feerate": "slow"}),
        ),
        (
            "KeySend",
            json!({
                "destination": BYTES,
                "amountMsat": {"msat": 1},
                "maxfeepercent": 0.5,
                "extratlvs": {"entries": [{"type": 7629169, "value": BYTES}]},
                "routehints": {"hints": [{"hops": [{"id": BYTES, "scid": "1x1x1"}]}]},
            }),
            json!({
                "destination": "020304",
                "amount_msat": "1msat",
                "maxfeepercent": 0.5,
                "extratlvs": {"7629169": "020304"},
                "routehints": [[{
                    "id": "020304",
                    "scid": "1x1x1",
                    "feeprop": 0,
                    "expirydelta": 0,
                }]],
            }),
        ),
        (
            "Xkeysend",
            json!({"destination": BYTES, "extratlvs": {"7629169": "00"}}),
            json!({"destination": "020304", "extratlvs": {"7629169": "00"}}),
        ),
        ("Xpay", json!({"invstring": "i", "layers": []}), json!({"invstring": "i"})),
    ] {
        assert_eq!(params(call, fields), expected, "{call}");
    }
}

#[test]
fn a_request_that_says_nothing_is_refused() {
    for (call, fields, field) in [
        ("Invoice", json!({"amountMsat": {}}), "amount_msat"),
        ("Withdraw", json!({"feerate": {}}), "feerate"),
        ("Pay", json!({"riskfactor": "NaN"}), "riskfactor"),
        ("DelInvoice", json!({"status": 9}), "status"),
    ] {
        let refused = params::of(&request(call, fields)).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("{field}: ")), "{refused}");
    }
}

#[test]
fn answers_are_messages() {
    let info = message(
        "Getinfo",
        &json!({
            "id": "0203", "alias": "a", "color": "020304", "num_peers": 1, "blockheight": 800_000,
            "fees_collected_msat": 7, "lightning-dir": "/d",
            "address": [{"type": "torv3", "address": "x.onion", "port": 9735}],
            "what messages have no field for": {},
        }),
    );
    assert_eq!(field(&info, "id"), Value::Bytes(vec![2, 3].into()));
    assert_eq!(field(&info, "lightning_dir"), Value::String("/d".to_owned()));
    assert_eq!(field(&info, "blockheight"), Value::U32(800_000));
    let fees = field(&info, "fees_collected_msat");
    assert_eq!(field(fees.as_message().unwrap(), "msat"), Value::U64(7));
    let addresses = field(&info, "address");
    let address = addresses.as_list().unwrap()[0].as_message().unwrap().clone();
    assert_eq!(field(&address, "item_type"), Value::EnumNumber(4));
    assert!(!info.has_field_by_name("warning_bitcoind_sync"));

    let row = json!({
        "state": "CHANNELD_AWAITING_LOCKIN", "opener": "local", "to_us_msat": "5msat",
        "channel_type": {"bits": [12], "names": ["static_remotekey/even", "anchors/even"]},
    });
    let channels = message("ListPeerChannels", &json!({ "channels": [row] }));
    let channels = field(&channels, "channels");
    let channel = channels.as_list().unwrap()[0].as_message().unwrap().clone();
    assert_eq!(field(&channel, "state"), Value::EnumNumber(1));
    let kind = field(&channel, "channel_type");
    let names = field(kind.as_message().unwrap(), "names");
    assert_eq!(names, Value::List(vec![Value::EnumNumber(0), Value::EnumNumber(5)]));

    let hop = json!({"pubkey": "02", "short_channel_id": "1x1x1", "fee_base_msat": 1});
    let decoded = message("Decode", &json!({"type": "bolt11 invoice", "routes": [[hop, hop]]}));
    assert_eq!(field(&decoded, "item_type"), Value::EnumNumber(3));
    let routes = field(&decoded, "routes");
    let hints = field(routes.as_message().unwrap(), "hints");
    let hops = field(hints.as_list().unwrap()[0].as_message().unwrap(), "hops");
    assert_eq!(hops.as_list().unwrap().len(), 2);

    let stopped = message("Stop", &json!("Shutdown complete"));
    assert_eq!(field(&stopped, "result"), Value::EnumNumber(0));
    assert_eq!(message("Disconnect", &json!({})).encode_to_vec(), [0; 0]);
    let paid = json!({"outpoint": "0203:7", "label": "l"});
    let outpoint = field(&message("SubscribeInvoicePayment", &paid), "outpoint");
    assert_eq!(field(outpoint.as_message().unwrap(), "outnum"), Value::U32(7));
}

#[test]
fn an_answer_that_does_not_fit_is_told_by_field() {
    for (call, answer, name) in [
        ("Getinfo", json!({"id": "no hex"}), "cln.GetinfoResponse.id"),
        ("Getinfo", json!({"blockheight": -1}), "cln.GetinfoResponse.blockheight"),
        ("Getinfo", json!({"address": {}}), "cln.GetinfoResponse.address"),
        ("ListPays", json!({"pays": [{"status": "odd"}]}), "cln.ListpaysPays.status"),
        ("Getinfo", json!([]), "GetinfoResponse"),
    ] {
        let unfit = answers::message(&rpc(call).response, &answer).unwrap_err().to_string();
        assert!(unfit.contains(name), "{unfit}");
    }
}

#[test]
fn failures_have_the_words_of_core_lightning() {
    let expired = RpcError::new(207, "Invoice expired 6 seconds ago");
    let status = failure(rpc("Xpay"), &expired);
    assert_eq!(status.code(), Code::Unknown);
    assert_eq!(
        status.message(),
        "Error calling method Xpay: RpcError { code: Some(207), message: \"Invoice expired 6 seconds \
         ago\", data: None }"
    );
    let with_data = expired.with_data(json!({"id": "02"}));
    let status = failure(rpc("ConnectPeer"), &with_data);
    assert!(status.message().contains("data: Some(Object {\"id\": String(\"02\")}) }"), "{status}");
    let unknown = RpcError::new(code::METHOD_NOT_FOUND, "Unknown command 'listforwards'");
    assert_eq!(failure(rpc("ListForwards"), &unknown).code(), Code::Unimplemented);
}

#[test]
fn every_request_is_read_when_nothing_of_it_is_set() {
    for call in ["Pay", "FundChannel", "Offer", "Wait", "GetRoutes", "CreateRune", "SetChannel"] {
        let request = DynamicMessage::new(rpc(call).request.clone());
        let read = params::of(&request).unwrap();
        let descriptor = request.descriptor();
        let plain = descriptor
            .fields()
            .filter(|field| !(field.supports_presence() || field.is_list() || field.is_map()));
        assert_eq!(read.as_object().unwrap().len(), plain.count(), "{call}");
    }
}
