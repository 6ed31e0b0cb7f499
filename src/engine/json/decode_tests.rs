//! What each bad value is called, and what a good one becomes.

use super::*;

const ID: &str = "6f9619ff-8b86-4011-b42d-00c04fc964ff";

fn plan() -> Vec<EventPlan> {
    let string = |name: &str| Property::new(name, Kind::String { min_length: 0, max_length: usize::MAX, one_of: Vec::new() });
    let metadata = ObjectSchema { properties: vec![string("source"), string("version")] };
    let mut fields = vec![
        string("eventType"),
        Property::new("eventId", Kind::Uuid),
        Property::new("n", Kind::Int { min: 1, max: 9 }),
        Property::new("amount", Kind::Decimal),
        Property::new("to", Kind::Int { min: 1, max: 9 }),
        Property::new("kind", Kind::String { min_length: 1, max_length: 4, one_of: vec!["A".into(), "B".into()] }),
        Property::new("tags", Kind::List),
        Property::new("timestamp", Kind::Time),
        Property::new("metadata", Kind::Object(metadata)),
    ];
    for (slot, name) in ["n", "amount", "to", "kind", "tags"].into_iter().enumerate() {
        let it = fields.iter_mut().find(|it| it.name == name).unwrap();
        it.slot = Some(u16::try_from(slot).unwrap());
        (it.required, it.nullable) = (name != "tags", name == "to" || name == "tags");
    }
    vec![EventPlan { event_type: "E".into(), major: 1, fields: ObjectSchema { properties: fields } }]
}

fn good() -> String {
    format!(
        r#"{{"eventType":"E","eventId":"{ID}","n":3,"amount":"10.50","to":null,"kind":"A","more":[1,{{"x":"\u00e9"}}],"tags":[1, {{}}],"timestamp":"2026-01-01T00:00:00.5Z","metadata":{{"source":"s","version":"1.7"}}}}"#
    )
}

fn reason(value: &str) -> String {
    let mut slots = vec![Value::Null; 5];
    match decode(&plan(), Some(value.as_bytes()), &mut slots, &Texts::new()) {
        Ok(Decoded::Event(..)) => "event".into(),
        Ok(Decoded::PassedBy(_)) => "passed by".into(),
        Err(failure) => format!("{} {}", failure.code, failure.path),
    }
}

#[test]
fn a_good_event_fills_its_slots() {
    let (text, texts) = (good(), Texts::new());
    let mut slots = vec![Value::Null; 5];
    let decoded = decode(&plan(), Some(text.as_bytes()), &mut slots, &texts).unwrap();
    let Decoded::Event(0, envelope) = decoded else { panic!("{decoded:?}") };
    assert_eq!(envelope.timestamp.as_bytes(), b"2026-01-01T00:00:00.5Z");
    assert_eq!(envelope.micros, 1_767_225_600_500_000);
    assert_eq!(slots[0], Value::Int(3));
    assert_eq!(slots[2], Value::Null);
    assert_eq!(slots[4], Value::Json("[1, {}]"));
}

#[test]
fn each_bad_value_has_its_reason() {
    let with = |from: &str, to: &str| good().replace(from, to);
    let cases = [
        ("not json".into(), "NOT_JSON "),
        (good()[..60].to_owned(), "NOT_JSON "),
        (good() + "x", "NOT_JSON "),
        (format!("[{}]", good()), "NOT_AN_OBJECT "),
        ("7".into(), "NOT_AN_OBJECT "),
        ("{}".into(), "MISSING_FIELD /eventType"),
        (with(r#""n":3,"#, ""), "MISSING_FIELD /n"),
        (with(r#""n":3"#, r#""n":null"#), "MISSING_FIELD /n"),
        (with(r#""n":3"#, r#""n":"3""#), "WRONG_TYPE /n"),
        (with(r#""n":3"#, r#""n":3.0"#), "WRONG_TYPE /n"),
        (with(r#""n":3"#, r#""n":10"#), "OUT_OF_RANGE /n"),
        (with(r#""n":3"#, r#""n":18446744073709551615"#), "OUT_OF_RANGE /n"),
        (with(r#""n":3"#, r#""n":3,"n":3"#), "DUPLICATE_FIELD /n"),
        (with("10.50", "NaN"), "WRONG_FORMAT /amount"),
        (with(r#""10.50""#, "10.5"), "WRONG_TYPE /amount"),
        (with(r#""kind":"A""#, r#""kind":"C""#), "OUT_OF_RANGE /kind"),
        (with(r#""tags":[1, {}]"#, r#""tags":{}"#), "WRONG_TYPE /tags"),
        (with(ID, "6f9619ff"), "WRONG_FORMAT /eventId"),
        (with("00.5Z", "00.5"), "WRONG_FORMAT /timestamp"),
        (with("00.5Z", "00.5+01:00"), "WRONG_FORMAT /timestamp"),
        (with(r#""version":"1.7""#, r#""version":1.7"#), "WRONG_TYPE /metadata/version"),
        (with(r#""version":"1.7""#, r#""version":"one""#), "WRONG_FORMAT /metadata/version"),
        (with(r#""version":"1.7""#, r#""version":"2.0""#), "UNKNOWN_VERSION /metadata/version"),
        (with(r#""version":"1.7""#, r#""version":"2.0""#).replace(r#""n":3,"#, ""), "UNKNOWN_VERSION /metadata/version"),
        (with(r#","metadata":{"source":"s","version":"1.7"}"#, ""), "MISSING_FIELD /metadata"),
        (with(r#""eventType":"E","#, ""), "MISSING_FIELD /eventType"),
        (with(r#""eventType":"E""#, r#""eventType":7"#), "WRONG_TYPE /eventType"),
        (with(r#""eventType":"E""#, r#""eventType":"F""#), "passed by"),
        (with(r#""eventType":"E""#, r#""eventType":"F""#).replace(r#""n":3,"#, ""), "passed by"),
        (with(r#""eventType":"E""#, r#""eventType":"F""#).replace(ID, "?"), "WRONG_FORMAT /eventId"),
        (with(r#"{"eventType":"E","#, r#"{ "eventType" : "\u0045", "#), "event"),
        (with(r#"{"eventType":"E",""#, r#"{"x":1,"eventType":"E",""#), "event"),
        (format!("{{\"x\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000)), "MISSING_FIELD /eventType"),
    ];
    for (value, expected) in cases {
        assert_eq!(reason(&value), expected, "{}", value.chars().take(300).collect::<String>());
    }
}

#[test]
fn an_event_may_have_all_fields_that_a_schema_may_name() {
    let mut plan = plan();
    let named = plan[0].fields.properties.len() - 4;
    // As the envelope does that a schema did not name, the last ones stand behind 128 others.
    for nth in named..128 {
        plan[0].fields.properties.insert(0, Property::new(&format!("f{nth}"), Kind::Int { min: 0, max: 9 }));
    }
    let more: String = (named..128).map(|nth| format!(r#""f{nth}":7,"#)).collect();
    let text = good().replace(r#""n":3"#, &format!(r#"{more}"n":3"#));
    let (mut slots, texts) = (vec![Value::Null; 5], Texts::new());
    assert!(matches!(decode(&plan, Some(text.as_bytes()), &mut slots, &texts), Ok(Decoded::Event(0, _))));
    let twice = text.replace(r#","metadata""#, r#","timestamp":"2026-01-01T00:00:00Z","metadata""#);
    assert_eq!(decode(&plan, Some(twice.as_bytes()), &mut slots, &texts).unwrap_err().code, code::DUPLICATE_FIELD);
}

#[test]
fn no_value_and_no_utf8_have_their_reasons() {
    let mut slots = vec![Value::Null; 5];
    assert_eq!(decode(&plan(), None, &mut slots, &Texts::new()).unwrap_err().code, code::NO_VALUE);
    let mut bytes = good().into_bytes();
    let at = bytes.len() - 5;
    bytes[at] = 0xFF;
    let mut slots = vec![Value::Null; 5];
    assert_eq!(decode(&plan(), Some(&bytes), &mut slots, &Texts::new()).unwrap_err().code, code::INVALID_UTF8);
}
