//! A payment, judged by restrictions.

use super::*;

const U64_MAX: &str = "18446744073709551615";

/// Bolt11Send by the caller "shop", with two peers and no label.
struct Payment;

impl Facts for Payment {
    fn fact(&self, field: Field<'_>) -> Fact<'_> {
        let all = |values: &[&'static str]| values.iter().map(|value| (*value).into()).collect();
        match field {
            Field::Method => Fact::Spellings(all(&["Bolt11Send", "pay"])),
            Field::Group => Fact::text("pay"),
            Field::Time => Fact::number(1_800_000_000),
            Field::CallerId => Fact::text("shop"),
            Field::Parameter("amount_msat") => Fact::number(100_000),
            Field::Parameter("huge") => Fact::number(u64::MAX),
            Field::Parameter("peers") => Fact::List(all(&["02aa", "02bb"])),
            Field::Parameter("hops") => Fact::List(Vec::new()),
            Field::Parameter("no_such_field") | Field::OfInvoice(..) => Fact::Unknown,
            Field::ParameterCount | Field::ParameterAt(_) | Field::Parameter(_) => Fact::Missing,
        }
    }
}

fn judged(text: &str) -> Result<Vec<Demand>, Denial> {
    evaluate(&Restriction::parse_list(text).unwrap(), &Payment)
}

#[track_caller]
fn assert_holds(texts: &[&str]) {
    for text in texts {
        assert_eq!(judged(text), Ok(Vec::new()), "{text}");
    }
}

#[track_caller]
fn assert_denied(cases: &[(&str, &str)]) {
    for (text, reason) in cases {
        let denial = judged(text).expect_err(text);
        assert_eq!((denial.to_string().as_str(), denial.restriction()), (*reason, *text));
    }
}

#[test]
fn every_operator_holds_and_fails() {
    assert_holds(&[
        "id=shop",
        "id/bar",
        "id^sh",
        "id$op",
        "id~ho",
        "id{shops",
        "id}sho",
        "pname_label!",
        "id#x",
        "time<1800000001",
        "time>1799999999",
    ]);
    assert_denied(&[
        ("id=bar", "id is not equal to bar"),
        ("id/shop", "id is equal to shop"),
        ("id^op", "id does not start with op"),
        ("id$sh", "id does not end with sh"),
        ("id~x", "id does not contain x"),
        ("id{shop", "id is equal to or ordered after shop"),
        ("id}shop", "id is equal to or ordered before shop"),
        ("id!", "id is present"),
        ("time<1800000000", "time is greater or equal to 1800000000"),
        ("time>1800000000", "time is less or equal to 1800000000"),
        ("time<soon", "soon is not a valid integer"),
        ("id<5", "id is not an integer field"),
    ]);
}

#[test]
fn numbers_are_compared_as_numbers() {
    let greatest = format!("pname_huge>{}", u64::MAX - 1);
    assert_holds(&[
        &greatest,
        "pname_huge>-1",
        "pname_amount_msat>99999",
        "pname_amount_msat<0100001",
    ]);
    for text in [
        &format!("pname_huge<{U64_MAX}"),
        &format!("pname_huge>{U64_MAX}"),
        "pname_huge<18446744073709551616",
        "pname_huge<99999999999999999999999999999999999999999",
        "pname_amount_msat<+200000",
        "pname_amount_msat< 200000",
        "pname_amount_msat<200000.0",
        "pname_amount_msat<-",
        "pname_amount_msat<",
    ] {
        assert!(judged(text).is_err(), "{text}");
    }
}

#[test]
fn what_is_missing_fails_all_but_one_operator() {
    for operator in "=/^$~<>{}".chars() {
        let text = format!("pname_label{operator}");
        assert_eq!(judged(&text).expect_err(&text).to_string(), "pname_label not present");
    }
    assert_holds(&["pname_label!", "pname_hops!", "parr0!", "pnum!", "pname_label#"]);
}

#[test]
fn what_is_unknown_is_denied() {
    for field in ["country", "pname_no_such_field", "Method", "pinvinvoice_amount"] {
        for operator in "=/^$~<>{}!".chars() {
            let text = format!("{field}{operator}1");
            let reason = format!("{field} is not a known condition");
            assert_eq!(judged(&text).expect_err(&text).to_string(), reason);
        }
        assert_holds(&[&format!("{field}#1")]);
    }
}

#[test]
fn a_call_may_have_several_names() {
    assert_holds(&["method=Bolt11Send", "method=pay", "method^Bolt", "method/Bolt11Receive"]);
    assert_denied(&[
        ("method/pay", "method is equal to pay"),
        ("method/Bolt11Send", "method is equal to Bolt11Send"),
    ]);
}

#[test]
fn every_item_of_a_list_must_hold() {
    assert_holds(&["pname_peers^02", "pname_peers/02cc"]);
    assert!(judged("pname_peers=02aa").is_err());
    assert!(judged("pname_peers/02aa").is_err());
}

#[test]
fn one_alternative_is_enough_and_all_restrictions_are_needed() {
    assert_holds(&["group=read|group=pay", "group=pay&id=shop"]);
    assert_denied(&[(
        "group=read|group=info",
        "group is not equal to read AND group is not equal to info",
    )]);
    let denial = judged("group=pay&id=bar&time<5").unwrap_err();
    assert_eq!(denial.restriction(), "id=bar");
}

#[test]
fn limits_are_demanded_where_nothing_else_holds() {
    for (text, expected) in [
        ("rate=5", &["rate=5"][..]),
        ("method/pay|rate=5", &["rate=5"]),
        ("rate=5|method=pay", &[]),
        ("rate=5|per=1min|id=bar", &["rate=5", "per=1min"]),
        ("rate=x|budget=5sat/day", &["budget=5sat/day"]),
        ("rate=5&rate=5&budget=5sat/total", &["rate=5", "rate=5", "budget=5sat/total"]),
    ] {
        let demands = judged(text).unwrap();
        let limits: Vec<_> = demands.iter().map(|demand| demand.limit.to_string()).collect();
        assert_eq!(limits, expected, "{text}");
    }
    assert_denied(&[
        ("rate=0", "rate is not a whole number of calls per minute"),
        ("per/1min", "per operator must be ="),
        ("budget=1btc/day|id=bar", "budget is not a budget AND id is not equal to bar"),
    ]);
    // A call that is denied needs no limit.
    assert!(judged("rate=5&id=bar").is_err());
}

#[test]
fn the_scope_of_a_limit_ends_with_its_restriction() {
    let demands = judged("group=pay&id=bar|rate=5&note#x&per=1min|budget=5sat/day&time>1").unwrap();
    let scopes: Vec<_> = demands.iter().map(|demand| demand.scope.as_str()).collect();
    let last = "group=pay&id=bar|rate=5&note#x&per=1min|budget=5sat/day";
    assert_eq!(scopes, ["group=pay&id=bar|rate=5", last, last]);
}

#[test]
fn a_reason_has_a_bound() {
    let value = "é".repeat(900);
    let denial = judged(&format!("id={value}")).unwrap_err();
    assert_eq!(denial.to_string(), format!("id is not equal to {}…", "é".repeat(66)));
    let denial = judged(&vec!["id=bar"; 64].join("|")).unwrap_err();
    assert_eq!(denial.to_string().matches("bar").count(), SHOWN_REASONS);
}
