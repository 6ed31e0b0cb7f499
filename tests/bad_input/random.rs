//! Random bad input: any bytes, events and files with slips in them, and what must agree with arithmetic and order.

mod expressions;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use goyt::engine::expr::Fault;
use goyt::engine::value::{Currency, Money, Texts, Type, Value};
use goyt::engine::{codec, decimal};
use rust_decimal::Decimal;

use crate::classes::{others, records};
use crate::targets;

/// Cases of each property.
const CASES: u32 = 2_000;

/// The same cases each time; other ones with another seed.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, rng_seed: RngSeed::Fixed(SEED), ..ProptestConfig::with_cases(cases) }
}

const SEED: u64 = 20_261_124;

/// What JSON, YAML and decoders stumble over.
const SLIPS: [&str; 40] = [
    "",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    "\\udc00",
    "\\u0000",
    "\0",
    "\n",
    "\r",
    "\t",
    " ",
    "null",
    "true",
    "NaN",
    "1e999",
    "-0",
    "-",
    "0",
    "9223372036854775808",
    "9007199254740993",
    "1.5",
    "\u{FEFF}",
    "\u{10FFFF}",
    "é",
    "'",
    "#",
    "- ",
    "? ",
    "|",
    "&a",
    "*a",
    "!t",
    "%FF",
];

/// A text with a few slips: at each of the places some letters are replaced.
fn slipped(text: String) -> impl Strategy<Value = Vec<u8>> {
    let slip = (any::<prop::sample::Index>(), 0_usize..6, prop::sample::select(&SLIPS[..]), 0_u8..8);
    prop::collection::vec(slip, 1..5).prop_map(move |slips| {
        let mut bytes = text.clone().into_bytes();
        for (at, length, with, kind) in slips {
            let at = at.index(bytes.len() + 1);
            let end = (at + length).min(bytes.len());
            match kind {
                0 => bytes.truncate(at),
                1 => drop(bytes.splice(at..at, [0xFF])),
                2 => drop(bytes.splice(at..at, bytes[at..].to_vec())),
                _ => drop(bytes.splice(at..end, with.bytes())),
            }
        }
        bytes
    })
}

/// JSON of every kind, as text, and what is not quite JSON.
fn json() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        any::<i64>().prop_map(|it| it.to_string()),
        any::<f64>().prop_map(|it| format!("{it:e}")),
        (any::<i64>(), any::<i16>()).prop_map(|(mantissa, exponent)| format!("{mantissa}.0e{exponent}")),
    ];
    let text = prop_oneof![any::<String>(), "[0-9]{1,20}(\\.[0-9]{1,9})?", "[A-Z]{3}"].prop_map(|it| serde_json::to_string(&it).unwrap());
    let escape = any::<u16>().prop_map(|it| format!("\"\\u{it:04x}\""));
    let leaf = prop_oneof![number, text, escape, prop::sample::select(&["null", "true", "false"][..]).prop_map(str::to_owned)];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|it| format!("[{}]", it.join(","))),
            prop::collection::vec(("[a-c]{1,2}", inner), 0..4)
                .prop_map(|it| format!("{{{}}}", it.iter().map(|(name, it)| format!("\"{name}\":{it}")).collect::<Vec<_>>().join(","))),
        ]
    })
}

/// An event whose fields are any JSON.
fn events() -> impl Strategy<Value = String> {
    let names = ["n", "wide", "amount", "currency", "text", "kind", "id", "at", "flag", "inner", "list", "eventId", "timestamp", "x"];
    let fields = prop::collection::vec((prop::sample::select(names.to_vec()), json()), 1..4);
    (fields, any::<bool>()).prop_map(|(fields, first)| {
        let mut event: String = records::good();
        for (name, value) in fields {
            let field = format!("\"{name}\":{value},");
            let from = event.find(&format!("\"{name}\":"));
            let to = from.and_then(|at| event[at..].find(",\"").map(|it| at + it + 1));
            match (from, to) {
                (Some(from), Some(to)) => event.replace_range(from..to, &field),
                _ => event.insert_str(1, &field),
            }
        }
        if first { event.replacen("\"eventType\":\"E\",", "", 1).replacen('{', "{\"y\":0,\"eventType\":\"E\",", 1) } else { event }
    })
}

fn values() -> impl Strategy<Value = (Value<'static>, Type)> {
    let decimal =
        (-(1_i128 << 96) + 1..1_i128 << 96, 0_u32..=28).prop_map(|(mantissa, scale)| Decimal::from_i128_with_scale(mantissa, scale));
    let amount = decimal.clone();
    let plain = prop_oneof![
        any::<bool>().prop_map(|it| (Value::Bool(it), Type::Bool)),
        any::<i64>().prop_map(|it| (Value::Int(it), Type::Int)),
        any::<i64>().prop_map(|it| (Value::Time(it), Type::Time)),
        any::<u128>().prop_map(|it| (Value::Uuid(it), Type::Uuid)),
        any::<String>().prop_map(|it| (Value::Str(it.leak()), Type::String)),
        json().prop_map(|it| (Value::Json(format!("[{it}]").leak()), Type::List)),
        decimal.prop_map(|it| (Value::Decimal(it), Type::Decimal)),
        (amount, any::<[u8; 3]>()).prop_map(|(amount, letters)| (Value::Money(Money { amount, currency: Currency(letters) }), Type::Money)),
    ];
    (plain, 0_u8..3).prop_map(|((value, of), optional)| match optional {
        0 => (value, of),
        1 => (value, Type::Optional(Box::new(of))),
        _ => (Value::Null, Type::Optional(Box::new(of))),
    })
}

/// Two values of one of the types that keys have, and how they are ordered.
fn key_pairs() -> impl Strategy<Value = (Value<'static>, Value<'static>, std::cmp::Ordering, Type)> {
    let text = || prop_oneof![any::<String>(), "[\0\u{1}a\u{FF}]{0,5}"];
    prop_oneof![
        any::<(bool, bool)>().prop_map(|(a, b)| (Value::Bool(a), Value::Bool(b), a.cmp(&b), Type::Bool)),
        any::<(i64, i64)>().prop_map(|(a, b)| (Value::Int(a), Value::Int(b), a.cmp(&b), Type::Int)),
        (any::<i64>(), -3_i64..3).prop_map(|(a, d)| (
            Value::Time(a),
            Value::Time(a.wrapping_add(d)),
            a.cmp(&a.wrapping_add(d)),
            Type::Time
        )),
        any::<(u128, u128)>().prop_map(|(a, b)| (Value::Uuid(a), Value::Uuid(b), a.cmp(&b), Type::Uuid)),
        (text(), text()).prop_map(|(a, b)| {
            let order = a.as_bytes().cmp(b.as_bytes());
            (Value::Str(a.leak()), Value::Str(b.leak()), order, Type::String)
        }),
    ]
}

/// An amount of the contract: its digits as one number, and how many are decimals.
fn amounts() -> impl Strategy<Value = (i128, u32)> {
    (0_u32..=8).prop_flat_map(|scale| {
        let most = 10_i128.pow(18 + scale);
        (prop_oneof![-most + 1..most, -100..100_i128], Just(scale))
    })
}

/// `a` at `scale` decimals.
fn widened((mantissa, from): (i128, u32), scale: u32) -> i128 {
    mantissa * 10_i128.pow(scale - from)
}

fn as_text(number: Decimal) -> String {
    let mut bytes = Vec::new();
    decimal::write(number, &mut bytes);
    String::from_utf8(bytes).unwrap()
}

/// What a sum or product must be: exact, or an overflow of 96 bits.
fn is_exact(found: Result<Decimal, Fault>, exact: Option<i128>, scale: u32) -> Result<(), TestCaseError> {
    match exact.filter(|it| it.unsigned_abs() < 1 << 96) {
        Some(exact) => prop_assert_eq!(found, Ok(Decimal::from_i128_with_scale(exact, scale))),
        None => prop_assert_eq!(found, Err(Fault::Overflow)),
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn any_bytes_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        targets::record::run(&bytes);
        targets::topology::run(&bytes);
        targets::expression::run(&bytes);
        targets::codec::run(&bytes);
    }

    #[test]
    fn any_text_is_taken_or_refused(text in "\\PC{0,60}") {
        targets::record::run(text.as_bytes());
        targets::topology::run(text.as_bytes());
        targets::expression::run(text.as_bytes());
    }

    #[test]
    fn events_with_slips_are_decoded_as_the_reference_says(bytes in slipped(records::good())) {
        targets::record::run(&bytes);
    }

    #[test]
    fn events_of_any_json_are_decoded_as_the_reference_says(event in events()) {
        targets::record::run(event.as_bytes());
    }

    #[test]
    fn files_with_slips_are_told(bytes in slipped(others::GOOD.to_owned())) {
        targets::topology::run(&bytes);
    }

    #[test]
    fn schemas_with_slips_are_told(bytes in slipped(targets::record::SCHEMA.to_owned())) {
        targets::topology::run(&bytes);
    }

    #[test]
    fn stored_values_go_there_and_back((value, of) in values()) {
        let mut bytes = Vec::new();
        codec::write_value(&value, &of, &mut bytes);
        prop_assert_eq!(codec::read_value(&mut &bytes[..], &of).unwrap(), value);
        for end in 0..bytes.len() {
            prop_assert!(codec::read_value(&mut &bytes[..end], &of).is_err(), "cut off at {end} of {bytes:?}");
        }
        targets::codec::run(&bytes);
    }

    #[test]
    fn keys_are_in_the_order_of_their_values(pairs in prop::collection::vec(key_pairs(), 1..4)) {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        pairs.iter().for_each(|it| { codec::write_key(&it.0, &mut a); codec::write_key(&it.1, &mut b) });
        let order = pairs.iter().map(|it| it.2).find(|it| it.is_ne()).unwrap_or(std::cmp::Ordering::Equal);
        prop_assert_eq!(a.cmp(&b), order);
        let (mut rest, texts) = (&a[..], Texts::new());
        for (value, _, _, of) in &pairs {
            prop_assert_eq!(&codec::read_key(&mut rest, of, &texts).unwrap(), value);
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn sums_and_products_are_those_of_integers_or_fail(a in amounts(), b in amounts()) {
        let of = |(mantissa, scale)| Decimal::from_i128_with_scale(mantissa, scale);
        let scale = a.1.max(b.1);
        is_exact(decimal::add(of(a), of(b)), Some(widened(a, scale) + widened(b, scale)), scale)?;
        is_exact(decimal::subtract(of(a), of(b)), Some(widened(a, scale) - widened(b, scale)), scale)?;
        is_exact(decimal::multiply(of(a), of(b)), a.0.checked_mul(b.0), a.1 + b.1)?;
        prop_assert_eq!(of(a).cmp(&of(b)), widened(a, scale).cmp(&widened(b, scale)));
        prop_assert_eq!(decimal::parse(&as_text(of(a))), Some(of(a)));
    }

    #[test]
    fn decimals_of_any_size_never_round(a in values(), b in values()) {
        if let (Value::Decimal(a), Value::Decimal(b)) = (a.0, b.0) {
            // What was added can be taken away again: nothing was lost.
            if let Ok(sum) = decimal::add(a, b) {
                prop_assert_eq!(decimal::subtract(sum, b).unwrap_or(a), a);
            }
            prop_assert_eq!(as_text(a).parse::<Decimal>().unwrap(), a);
        }
    }
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn any_request_is_answered(bytes in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..100),
        slipped("GET /api/v1/stores/shop.sales/a%2Fb/tea?redirected=true&limit=1".to_owned()),
        slipped("POST /api/v1/dead-letters/discard\n{\"ids\":[\"orders.dlq/0/0\"],\"reason\":\"r\"}".to_owned()),
        slipped("!GET /livez HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n".to_owned()),
    ]) {
        targets::http::run(&bytes);
    }
}
