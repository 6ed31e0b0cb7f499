//! Judges what stands on the topics against what the platform expects, by the contract's points 1 to 6.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::platform::{AMOUNT_SCALE, Bytes, Expected, Platform, TRACE, dead_letter_topic};
use super::reader::{self, Record};
use super::stage::Stage;

const ID_MAX: u64 = (1 << 53) - 1;
const FAULTS_SHOWN: usize = 20;

/// Reads all outputs and panics with each fault when something is not as it must be.
pub fn check(stage: &Stage, platform: &Platform) {
    let faults = faults(&platform.expected, |topic| stage.topic(topic), |topic| reader::read_all(&stage.topic(topic)));
    let shown = faults.iter().take(FAULTS_SHOWN).cloned().collect::<Vec<_>>().join("\n");
    assert!(faults.is_empty(), "seed {}: {} faults:\n{shown}", platform.seed(), faults.len());
}

/// All that is not as it must be: `name` is what a topic of the contract is called there, `read` reads all of it.
pub fn faults(expected: &Expected, name: impl Fn(&str) -> String, read: impl Fn(&str) -> Vec<Record>) -> Vec<String> {
    let mut faults = judge_entities(expected, &read("customer-events"), &read("wallet-events"));
    faults.extend(judge_money(expected, &read("balance-events")));
    faults.extend(judge_notifications(expected, &read("notification-events")));
    for topic in ["user-events", "kyc-events", "transaction-events"] {
        let letters = read(dead_letter_topic(topic));
        let dead = expected.dead.get(dead_letter_topic(topic)).map_or(&[][..], Vec::as_slice);
        faults.extend(judge_dead_letters(&name(topic), dead, &read(topic), &letters));
    }
    faults.extend(read("customer-events.dlq").iter().map(|it| format!("a dead letter of customer-events: {it:?}")));
    faults
}

/// Faults found in one topic.
struct Judge {
    topic: &'static str,
    faults: Vec<String>,
    event_ids: BTreeSet<String>,
}

impl Judge {
    fn new(topic: &'static str) -> Self {
        Self { topic, faults: Vec::new(), event_ids: BTreeSet::new() }
    }

    fn fault(&mut self, what: impl std::fmt::Display) {
        self.faults.push(format!("{}: {what}", self.topic));
    }

    fn equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, found: &T, wanted: &T) {
        if found != wanted {
            self.fault(format!("{what} is {found:?}, not {wanted:?}"));
        }
    }

    fn event(&mut self, record: &Record) -> Value {
        let event = record.value.as_ref().and_then(|it| serde_json::from_slice(it).ok());
        event.filter(Value::is_object).unwrap_or_else(|| {
            self.fault(format!("no event: {record:?}"));
            Value::Null
        })
    }

    /// What each derived event has: its kind and origin, the time and headers of its cause, a name-based id that occurs once, its key.
    fn envelope(&mut self, record: &Record, event: &Value, kind: [&str; 2], timestamp: &str, trace: &str, key: u64) {
        let [event_type, source] = kind;
        self.equal("eventType", &event["eventType"].as_str(), &Some(event_type));
        self.equal("metadata.source", &event["metadata"]["source"].as_str(), &Some(source));
        self.equal("timestamp", &event["timestamp"].as_str(), &Some(timestamp));
        self.equal("the key", &record.key.as_deref(), &Some(key.to_string().as_bytes()));
        self.equal("the cause's header", &record.header(TRACE).as_deref(), &Some(trace));
        let id = event["eventId"].as_str().unwrap_or_default().to_owned();
        let version = uuid::Uuid::parse_str(&id).map(|it| it.get_version_num());
        if !matches!(version, Ok(3 | 5)) || id != id.to_lowercase() {
            self.fault(format!("eventId `{id}` is no lower-case name-based UUID"));
        }
        if !self.event_ids.insert(id.clone()) {
            self.fault(format!("eventId {id} occurs again"));
        }
    }

    fn missing<'a, K: Ord + std::fmt::Debug + 'a>(&mut self, wanted: impl IntoIterator<Item = &'a K>, seen: &BTreeSet<K>) {
        for it in wanted.into_iter().filter(|it| !seen.contains(it)) {
            self.fault(format!("nothing came of {it:?}"));
        }
    }
}

/// Points 1 and 2: one customer for each user, one wallet for each customer.
fn judge_entities(expected: &Expected, customers: &[Record], wallets: &[Record]) -> Vec<String> {
    let mut judge = Judge::new("customer-events");
    let (mut users, mut user_of) = (BTreeSet::new(), BTreeMap::new());
    for record in customers {
        let event = judge.event(record);
        let (user, id) = (event["userId"].as_str().unwrap_or_default().to_owned(), event["customerId"].as_u64().unwrap_or_default());
        let Some(customer) = expected.customers.get(&user) else {
            judge.fault(format!("a customer of nobody: {event}"));
            continue;
        };
        judge.equal("username", &event["username"].as_str(), &Some(&customer.username));
        judge.equal("email", &event["email"].as_str(), &Some(&customer.email));
        let trace = format!("trace of {user}");
        judge.envelope(record, &event, ["CUSTOMER_CREATED", "user-customer"], &customer.timestamp, &trace, id);
        if !(1..=ID_MAX).contains(&id) || user_of.insert(id, user.clone()).is_some() {
            judge.fault(format!("customerId {id} is no id of its own"));
        }
        if !users.insert(user.clone()) {
            judge.fault(format!("a second customer of {user}"));
        }
    }
    judge.missing(expected.customers.keys(), &users);
    let mut faults = judge.faults;

    let mut judge = Judge::new("wallet-events");
    let (mut owners, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for record in wallets {
        let event = judge.event(record);
        let (owner, id) = (event["customerId"].as_u64().unwrap_or_default(), event["walletId"].as_u64().unwrap_or_default());
        let Some(customer) = user_of.get(&owner).and_then(|it| expected.customers.get(it)) else {
            judge.fault(format!("a wallet of nobody: {event}"));
            continue;
        };
        judge.equal("userId", &event["userId"].as_str(), &user_of.get(&owner).map(String::as_str));
        judge.equal("currency and status", &[&event["currency"], &event["status"]], &[&"KES".into(), &"ACTIVE".into()]);
        judge.equal("limits", &event["limits"], &serde_json::json!({"daily": "100000.00", "monthly": "1000000.00"}));
        let trace = format!("trace of {}", user_of[&owner]);
        judge.envelope(record, &event, ["WALLET_CREATED", "customer-wallet"], &customer.timestamp, &trace, id);
        if !(1..=ID_MAX).contains(&id) || !ids.insert(id) {
            judge.fault(format!("walletId {id} is no id of its own"));
        }
        if !owners.insert(owner) {
            judge.fault(format!("a second wallet of {owner}"));
        }
    }
    judge.missing(user_of.keys(), &owners);
    faults.extend(judge.faults);
    faults
}

/// Points 1, 3 and 4: each leg once; sequences 1, 2, 3, …; each balance the one before and the delta; nothing gained or lost.
fn judge_money(expected: &Expected, updates: &[Record]) -> Vec<String> {
    let mut judge = Judge::new("balance-events");
    let mut seen = BTreeSet::new();
    let mut sequences: BTreeMap<u64, (u64, i32)> = BTreeMap::new();
    let mut balances: BTreeMap<(u64, String), i128> = BTreeMap::new();
    for record in updates {
        let event = judge.event(record);
        let leg = (event["walletId"].as_u64().unwrap_or_default(), event["transactionId"].as_u64().unwrap_or_default());
        let Some(wanted) = expected.legs.get(&leg) else {
            judge.fault(format!("an update of no leg: {event}"));
            continue;
        };
        if !seen.insert(leg) {
            judge.fault(format!("leg {leg:?} again: {event}"));
        }
        let trace = format!("trace of {}", leg.1);
        judge.envelope(record, &event, ["BALANCE_UPDATED", "transaction-balance"], &wanted.timestamp, &trace, leg.0);
        judge.equal("currency", &event["currency"].as_str(), &Some(wanted.currency));
        let (last, partition) = sequences.entry(leg.0).or_insert((0, record.partition));
        *last += 1;
        judge.equal("sequence", &event["sequence"].as_u64(), &Some(*last));
        judge.equal("the wallet's partition", &record.partition, partition);
        let balance = balances.entry((leg.0, wanted.currency.to_owned())).or_default();
        *balance += wanted.delta;
        judge.equal("delta", &event["delta"].as_str().and_then(printed_parts), &Some(wanted.delta));
        judge.equal("balance", &event["balance"].as_str().and_then(printed_parts), &Some(*balance));
    }
    judge.missing(expected.legs.keys(), &seen);
    let wanted: i128 = expected.legs.values().map(|it| it.delta).sum();
    judge.equal("the sum of all money", &balances.values().sum::<i128>(), &wanted);
    judge.faults
}

/// Points 1 and 3: one notification for each leg and each decision.
fn judge_notifications(expected: &Expected, notifications: &[Record]) -> Vec<String> {
    let mut judge = Judge::new("notification-events");
    let (mut legs, mut decisions) = (BTreeSet::new(), BTreeSet::new());
    for record in notifications {
        let event = judge.event(record);
        if let Some(check) = event["kycCheckId"].as_u64() {
            let Some(wanted) = expected.decisions.get(&check) else {
                judge.fault(format!("a notification of no decision: {event}"));
                continue;
            };
            let template = if wanted.reason.is_some() { "kyc-rejected" } else { "kyc-verified" };
            judge.equal("template", &event["template"].as_str(), &Some(template));
            judge.equal("reason", &event["reason"].as_str(), &wanted.reason.as_deref());
            judge.equal("customerId", &event["customerId"].as_u64(), &Some(wanted.customer));
            let trace = format!("trace of {}", wanted.customer);
            judge.envelope(record, &event, ["NOTIFICATION_REQUESTED", "kyc-notify"], &wanted.timestamp, &trace, wanted.customer);
            if !decisions.insert(check) {
                judge.fault(format!("decision {check} again"));
            }
            continue;
        }
        let leg = (event["walletId"].as_u64().unwrap_or_default(), event["transactionId"].as_u64().unwrap_or_default());
        let Some(wanted) = expected.legs.get(&leg) else {
            judge.fault(format!("a notification of nothing: {event}"));
            continue;
        };
        judge.equal("template", &event["template"].as_str(), &Some("transaction-completed"));
        judge.equal("currency", &event["currency"].as_str(), &Some(wanted.currency));
        judge.equal("amount", &event["amount"].as_str().and_then(printed_parts), &Some(wanted.delta.abs()));
        let trace = format!("trace of {}", leg.1);
        judge.envelope(record, &event, ["NOTIFICATION_REQUESTED", "transaction-balance"], &wanted.timestamp, &trace, leg.0);
        if !legs.insert(leg) {
            judge.fault(format!("leg {leg:?} again"));
        }
    }
    judge.missing(expected.legs.keys(), &legs);
    judge.missing(expected.decisions.keys(), &decisions);
    judge.faults
}

/// Point 6: what can't be processed is there once, byte for byte, at the same partition number, and says where it came from and why.
pub fn judge_dead_letters(topic: &str, expected: &[Bytes], inputs: &[Record], letters: &[Record]) -> Vec<String> {
    let mut judge = Judge::new("dead letters");
    let sources: BTreeMap<(i32, i64), &Record> = inputs.iter().map(|it| ((it.partition, it.offset), it)).collect();
    let mut left: BTreeMap<Bytes, usize> = BTreeMap::new();
    for bytes in expected {
        *left.entry(bytes.clone()).or_default() += 1;
    }
    let mut seen = BTreeSet::new();
    for letter in letters {
        let number = |name: &str| letter.header(name).and_then(|it| it.parse::<i64>().ok());
        let place = (letter.partition, number("__streams.errors.offset").unwrap_or(-1));
        judge.equal("__streams.errors.partition", &number("__streams.errors.partition"), &Some(i64::from(letter.partition)));
        judge.equal("__streams.errors.topic", &letter.header("__streams.errors.topic").as_deref(), &Some(topic));
        for name in ["__streams.errors.exception", "__streams.errors.message", "goyt.reason", "goyt.topology", "goyt.step"] {
            if letter.header(name).is_none_or(|it| it.is_empty()) {
                judge.fault(format!("no header {name}: {letter:?}"));
            }
        }
        if letter.header("goyt.path").is_none() {
            judge.fault(format!("no header goyt.path: {letter:?}"));
        }
        let Some(source) = sources.get(&place) else {
            judge.fault(format!("a letter of no record at {place:?}: {letter:?}"));
            continue;
        };
        judge.equal("key and value", &(&letter.key, &letter.value), &(&source.key, &source.value));
        judge.equal("the record's own header", &letter.header(TRACE), &source.header(TRACE));
        if !seen.insert(place) {
            judge.fault(format!("a second letter of {topic} {place:?}"));
        }
        match left.get_mut(&(letter.key.clone(), letter.value.clone())) {
            Some(count) if *count > 0 => *count -= 1,
            _ => judge.fault(format!("a letter of what is in order or told already: {}", shown(letter.value.as_deref()))),
        }
    }
    for ((_, value), _) in left.iter().filter(|(_, count)| **count > 0) {
        judge.fault(format!("no letter of {}", shown(value.as_deref())));
    }
    judge.faults
}

fn shown(value: Option<&[u8]>) -> String {
    value.map_or("nothing".to_owned(), |it| String::from_utf8_lossy(it).into_owned())
}

/// An amount of the contract in parts of 10^-8: `[0-9]{1,18}(\.[0-9]{1,8})?`.
pub fn parts(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |it: &str, most: usize| (1..=most).contains(&it.len()) && it.bytes().all(|it| it.is_ascii_digit());
    if !digits(whole, 30) || !digits(fraction, AMOUNT_SCALE as usize) {
        return None;
    }
    let fraction = format!("{fraction:0<8}");
    Some(whole.parse::<i128>().ok()? * 10_i128.pow(AMOUNT_SCALE) + fraction.parse::<i128>().ok()?)
}

/// A printed sum: perhaps negative, with at least two decimals.
pub fn printed_parts(text: &str) -> Option<i128> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |it| (-1, it));
    let decimals = text.split_once('.').map_or(0, |(_, it)| it.len());
    parts(text).filter(|_| decimals >= 2).map(|it| sign * it)
}

/// The judge finds what is wrong: each case changes one thing in an output that is right.
#[test]
fn the_oracle_finds_faults() {
    let mut platform = Platform::new(7);
    let wallet = 5;
    platform.expected.legs.insert(
        (wallet, 1),
        super::platform::Leg { delta: parts("10.00").expect("an amount"), currency: "KES", timestamp: "2025-06-01T00:00:00Z".to_owned() },
    );
    let right = r#"{"eventType":"BALANCE_UPDATED","eventId":"2c1d43b8-e6d7-5f2e-8d3c-1a2b3c4d5e6f","walletId":5,"transactionId":1,"delta":"10.00","balance":"10.00","currency":"KES","sequence":1,"timestamp":"2025-06-01T00:00:00Z","metadata":{"source":"transaction-balance","version":"1.0"}}"#;
    let record = |text: &str| Record {
        partition: 0,
        offset: 0,
        timestamp: 0,
        key: Some(b"5".to_vec()),
        value: Some(text.as_bytes().to_vec()),
        headers: vec![(TRACE.to_owned(), Some(b"trace of 1".to_vec()))],
    };
    assert_eq!(judge_money(&platform.expected, &[record(right)]), Vec::<String>::new());
    let wrong = [
        (r#""balance":"10.00""#, r#""balance":"10.01""#),
        (r#""balance":"10.00""#, r#""balance":"10""#),
        (r#""sequence":1"#, r#""sequence":2"#),
        (r#""transactionId":1"#, r#""transactionId":2"#),
        ("00:00:00Z", "00:00:01Z"),
        ("-5f2e-", "-4f2e-"),
    ];
    for (from, to) in wrong {
        assert_ne!(judge_money(&platform.expected, &[record(&right.replace(from, to))]).len(), 0, "{from} → {to}");
    }
    assert_ne!(judge_money(&platform.expected, &[]).len(), 0, "a missing update");
    assert_ne!(judge_money(&platform.expected, &[record(right), record(right)]).len(), 0, "an update twice");
}
