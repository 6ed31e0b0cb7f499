//! The wallet platform's other programs: events as they write them, the same for the same seed, with copies and broken records among
//! them; and what must come of them.

use std::collections::{BTreeMap, BTreeSet};

use super::random::Random;

/// The header that inputs carry here, and that what comes of them must carry too.
pub const TRACE: &str = "trace";

/// Amounts are whole numbers of this part of a currency unit.
pub const AMOUNT_SCALE: u32 = 8;

/// 2025-06-01T00:00:00Z. Events are a second apart, so all of them lie inside the dedup window of seven days.
const START: i64 = 1_748_736_000;
/// How long before the others an event is too old.
const TOO_OLD_SECONDS: i64 = 30 * 86_400;
/// Copies come at most so many events after the first.
const COPY_DISTANCE: u64 = 2_000;
/// After so many events each partition has seen one, so that an old one is too old there.
const PARTITIONS_WARM: usize = 500;

/// How much of what.
#[derive(Debug, Clone, Copy, Default)]
pub struct Load {
    pub users: usize,
    pub decisions: usize,
    pub transactions: usize,
    /// The share of events that come twice, per mille.
    pub copies: u64,
    /// The share of records that can't be processed, per mille.
    pub bad: u64,
}

/// A record to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    pub topic: &'static str,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub trace: Option<String>,
}

/// What must come of the inputs.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// By userId.
    pub customers: BTreeMap<String, Customer>,
    /// By kycCheckId.
    pub decisions: BTreeMap<u64, Decision>,
    /// By walletId and transactionId.
    pub legs: BTreeMap<(u64, u64), Leg>,
    /// By topic: key and value of each.
    pub dead: BTreeMap<&'static str, Vec<Bytes>>,
}

/// A key and a value.
pub type Bytes = (Option<Vec<u8>>, Option<Vec<u8>>);

#[derive(Debug, Clone)]
pub struct Customer {
    pub username: String,
    pub email: String,
    pub timestamp: String,
}

#[derive(Debug, Clone)]
pub struct Decision {
    pub customer: u64,
    pub reason: Option<String>,
    pub timestamp: String,
}

#[derive(Debug, Clone)]
pub struct Leg {
    /// In parts of 10^-[`AMOUNT_SCALE`].
    pub delta: i128,
    pub currency: &'static str,
    pub timestamp: String,
}

impl Expected {
    /// How many records must stand on each topic of the contract.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        let made = [
            ("customer-events", self.customers.len()),
            ("wallet-events", self.customers.len()),
            ("balance-events", self.legs.len()),
            ("notification-events", self.legs.len() + self.decisions.len()),
        ];
        made.into_iter().chain(self.dead.iter().map(|(topic, dead)| (*topic, dead.len()))).filter(|(_, count)| *count > 0).collect()
    }
}

/// What an event is about.
#[derive(Clone, Copy)]
enum Kind {
    User,
    Decision,
    Transaction,
}

/// Writes events. Successive loads of one platform have ids of their own.
pub struct Platform {
    random: Random,
    seed: u64,
    second: i64,
    next: u64,
    pub expected: Expected,
}

impl Platform {
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), seed, second: 0, next: 1, expected: Expected::default() }
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The records of a load, in their order; [`Platform::expected`] grows by what must come of them.
    pub fn events(&mut self, load: &Load) -> Vec<Input> {
        let shares = [(Kind::User, load.users), (Kind::Decision, load.decisions), (Kind::Transaction, load.transactions)];
        let mut kinds: Vec<Kind> = shares.into_iter().flat_map(|(kind, count)| std::iter::repeat_n(kind, count)).collect();
        for i in (1..kinds.len()).rev() {
            kinds.swap(i, usize::try_from(self.random.below(i as u64 + 1)).unwrap());
        }
        let mut events = Vec::new();
        // What comes later: after so many events, a copy.
        let mut later: BTreeMap<(usize, u64), Input> = BTreeMap::new();
        for (at, kind) in kinds.into_iter().enumerate() {
            self.second += 1;
            let (event, id) = match kind {
                Kind::User => self.user(),
                Kind::Decision => self.decision(),
                Kind::Transaction => self.transaction(),
            };
            if self.random.happens(load.copies) {
                let distance = usize::try_from(self.random.below(COPY_DISTANCE)).unwrap();
                later.insert((at + 1 + distance, id), event.clone());
            }
            let topic = event.topic;
            events.push(event);
            if self.random.happens(load.bad) {
                let bad = self.bad(topic, PARTITIONS_WARM < at);
                self.expected.dead.entry(dead_letter_topic(topic)).or_default().push((bad.key.clone(), bad.value.clone()));
                events.push(bad);
            }
            while let Some(entry) = later.first_entry().filter(|it| it.key().0 <= at) {
                events.push(entry.remove());
            }
        }
        events.extend(later.into_values());
        events
    }

    fn user(&mut self) -> (Input, u64) {
        let id = self.id();
        let user = format!("user-{id}");
        let username = if self.random.happens(50) { format!("Zoë \"{id}\" \\ \u{1F4B0}") } else { format!("name{id}") };
        let customer = Customer { username, email: format!("u{id}@example.com"), timestamp: self.time() };
        let json = serde_json::json!({
            "eventType": "USER_REGISTERED", "eventId": self.random.uuid(), "userId": user, "username": customer.username,
            "email": customer.email, "timestamp": customer.timestamp, "metadata": metadata("auth-service", "1.0"),
        });
        self.expected.customers.insert(user.clone(), customer);
        (input("user-events", &user, &json.to_string()), id)
    }

    /// The same user registered by another event: no second customer comes of it.
    pub fn again(&mut self, user: &str) -> Input {
        let json = serde_json::json!({
            "eventType": "USER_REGISTERED", "eventId": self.random.uuid(), "userId": user, "username": "another",
            "email": "another@example.com", "timestamp": self.time(), "metadata": metadata("auth-service", "1.0"),
        });
        input("user-events", user, &json.to_string())
    }

    fn decision(&mut self) -> (Input, u64) {
        let (id, customer) = (self.id(), 1 + self.random.below(500));
        let reason = self.random.happens(333).then(|| format!("document № {id}: \"expired\""));
        self.decide(id, customer, reason)
    }

    /// A decision with this reason, for a customer.
    pub fn decide(&mut self, id: u64, customer: u64, reason: Option<String>) -> (Input, u64) {
        let decision = Decision { customer, reason, timestamp: self.time() };
        let kind = if decision.reason.is_some() { "KYC_REJECTED" } else { "KYC_VERIFIED" };
        let mut json = serde_json::json!({
            "eventType": kind, "eventId": self.random.uuid(), "customerId": customer, "kycCheckId": id,
            "timestamp": decision.timestamp, "metadata": metadata("customer-service", "1.1"),
        });
        if let Some(reason) = &decision.reason {
            json["reason"] = reason.as_str().into();
        }
        self.expected.decisions.insert(id, decision);
        (input("kyc-events", &customer.to_string(), &json.to_string()), id)
    }

    fn transaction(&mut self) -> (Input, u64) {
        let id = self.id();
        let (text, amount) = self.amount();
        let currency = if self.random.happens(200) { "USD" } else { "KES" };
        let (from, to) = self.parties();
        for (wallet, delta) in [(from, -amount), (to, amount)] {
            if let Some(wallet) = wallet {
                self.expected.legs.insert((wallet, id), Leg { delta, currency, timestamp: self.time() });
            }
        }
        let kind = match (from, to) {
            (None, _) => "DEPOSIT",
            (_, None) => "WITHDRAWAL",
            _ => "TRANSFER",
        };
        let mut json = self.transaction_json("TRANSACTION_COMPLETED", id, kind, &text, currency, from, to);
        if self.random.happens(20) {
            json["note"] = serde_json::json!({"text": "café \"x\"", "tags": [1, {"a": null}]});
        }
        (input("transaction-events", &id.to_string(), &json.to_string()), id)
    }

    /// A transaction that is not completed: it moves nothing, whatever it says.
    pub fn not_completed(&mut self) -> Input {
        let id = self.id();
        let json = self.transaction_json("TRANSACTION_INITIATED", id, "DEPOSIT", "5.00", "KES", None, Some(1));
        input("transaction-events", &id.to_string(), &json.to_string())
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of the event")]
    fn transaction_json(
        &mut self,
        event: &str,
        id: u64,
        kind: &str,
        amount: &str,
        currency: &str,
        from: Option<u64>,
        to: Option<u64>,
    ) -> serde_json::Value {
        serde_json::json!({
            "eventType": event, "eventId": self.random.uuid(), "transactionId": id, "transactionType": kind, "amount": amount,
            "currency": currency, "fromWalletId": from, "toWalletId": to, "status": event.trim_start_matches("TRANSACTION_"),
            "timestamp": self.time(), "metadata": metadata("ledger-service", "1.0"),
        })
    }

    /// Text and parts: mostly cents, some with more or no decimals, some with more digits than a double holds.
    fn amount(&mut self) -> (String, i128) {
        let text = match self.random.below(100) {
            0 => format!("{}", 1 + self.random.below(99_999)),
            1 => format!("0.0000000{}", 1 + self.random.below(9)),
            2 => format!("9007199254740{:03}.99", self.random.below(1000)),
            _ => format!("{}.{:02}", 1 + self.random.below(9_999), self.random.below(100)),
        };
        let parts = super::oracle::parts(&text).expect("an amount");
        (text, parts)
    }

    fn parties(&mut self) -> (Option<u64>, Option<u64>) {
        let (a, b) = (1 + self.random.below(1_000), 1 + self.random.below(999));
        // Never the same: the second steps over the first.
        let b = if a <= b { b + 1 } else { b };
        match self.random.below(10) {
            0..=2 => (None, Some(a)),
            3..=4 => (Some(a), None),
            _ => (Some(a), Some(b)),
        }
    }

    /// A record that can't be processed.
    fn bad(&mut self, topic: &'static str, warm: bool) -> Input {
        let id = self.id();
        let time = self.time();
        let breakage = breakages(topic);
        let breakage = &breakage[usize::try_from(self.random.below(breakage.len() as u64)).unwrap()];
        let (mut good, key) = self.good(topic, id);
        good["timestamp"] = time.into();
        let value = match breakage {
            Breakage::Field(field, with) => {
                good[*field] = with.clone();
                Some(good.to_string().into_bytes())
            }
            Breakage::Missing(field) => {
                good.as_object_mut().expect("an object").remove(*field);
                Some(good.to_string().into_bytes())
            }
            Breakage::Old if warm => {
                good["timestamp"] = timestamp(START + self.second - TOO_OLD_SECONDS).into();
                Some(good.to_string().into_bytes())
            }
            Breakage::Old | Breakage::Cut => Some(good.to_string().into_bytes()[..60].to_vec()),
            Breakage::NotJson => Some(format!("no json {id}").into_bytes()),
            Breakage::NotObject => Some(format!("[{good}]").into_bytes()),
            Breakage::NotUtf8 => {
                let text = good.to_string();
                let at = text.find("1.0").expect("the version");
                Some([&text.as_bytes()[..at], b"\xFF\xFE".as_slice(), &text.as_bytes()[at..]].concat())
            }
            Breakage::NoValue => None,
        };
        let key = if self.random.happens(100) { None } else { Some(key.into_bytes()) };
        Input { topic, key, value, trace: Some(format!("bad {id}")) }
    }

    /// A record that could be processed, and its key.
    fn good(&mut self, topic: &str, id: u64) -> (serde_json::Value, String) {
        let event = self.random.uuid();
        match topic {
            "user-events" => (
                serde_json::json!({
                    "eventType": "USER_REGISTERED", "eventId": event, "userId": format!("bad-{id}"), "username": "bad",
                    "email": "bad@example.com", "metadata": metadata("auth-service", "1.0"),
                }),
                format!("bad-{id}"),
            ),
            "kyc-events" => (
                serde_json::json!({
                    "eventType": "KYC_VERIFIED", "eventId": event, "customerId": 7, "kycCheckId": id,
                    "metadata": metadata("customer-service", "1.0"),
                }),
                "7".to_owned(),
            ),
            _ => (self.transaction_json("TRANSACTION_COMPLETED", id, "TRANSFER", "10.00", "KES", Some(1), Some(2)), id.to_string()),
        }
    }

    /// Sixteen digits that compress badly.
    pub fn random_hex(&mut self) -> String {
        format!("{:016x}", self.random.next())
    }

    fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn time(&self) -> String {
        timestamp(START + self.second)
    }
}

/// How a record is broken.
enum Breakage {
    Field(&'static str, serde_json::Value),
    Missing(&'static str),
    Old,
    Cut,
    NotJson,
    NotObject,
    NotUtf8,
    NoValue,
}

/// The ways in which a record of a topic can be broken (rule 6 of the contract).
fn breakages(topic: &str) -> Vec<Breakage> {
    use Breakage::{Cut, Field, Missing, NoValue, NotJson, NotObject, NotUtf8, Old};
    let mut all = vec![Cut, NotJson, NotObject, NotUtf8, NoValue, Missing("eventId"), Missing("metadata"), Missing("timestamp")];
    all.push(Field("eventId", 7.into()));
    all.push(Field("timestamp", "yesterday".into()));
    all.push(Field("metadata", metadata("x", "2.0")));
    let own = match topic {
        "user-events" => vec![Missing("userId"), Missing("email"), Field("userId", 7.into()), Field("username", true.into())],
        "kyc-events" => vec![Missing("customerId"), Field("customerId", "7".into()), Field("kycCheckId", 0.into())],
        _ => vec![
            Old,
            Missing("amount"),
            Field("amount", 10.5.into()),
            Field("amount", "-10.00".into()),
            Field("amount", "0.00".into()),
            Field("amount", "NaN".into()),
            Field("amount", "1e3".into()),
            Field("amount", "1.123456789".into()),
            Field("amount", "1234567890123456789".into()),
            Field("currency", 7.into()),
            Field("transactionType", "GIFT".into()),
            Field("transactionType", "DEPOSIT".into()),
            Field("toWalletId", serde_json::Value::Null),
            Field("toWalletId", 1.into()),
            Field("toWalletId", (1_u64 << 53).into()),
            Field("fromWalletId", "1".into()),
            Field("transactionId", (-1).into()),
        ],
    };
    all.extend(own);
    all
}

/// The topic for what can't be processed.
pub fn dead_letter_topic(topic: &str) -> &'static str {
    match topic {
        "user-events" => "user-events.dlq",
        "kyc-events" => "kyc-events.dlq",
        "transaction-events" => "transaction-events.dlq",
        other => panic!("{other} is no input"),
    }
}

fn metadata(source: &str, version: &str) -> serde_json::Value {
    serde_json::json!({"source": source, "version": version})
}

fn input(topic: &'static str, key: &str, value: &str) -> Input {
    Input { topic, key: Some(key.as_bytes().to_vec()), value: Some(value.as_bytes().to_vec()), trace: Some(format!("trace of {key}")) }
}

fn timestamp(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).expect("a time").to_string()
}

/// The same seed gives the same events, and nothing is expected twice.
#[test]
fn the_platform_is_deterministic() {
    let load = Load { users: 200, decisions: 200, transactions: 1_000, copies: 50, bad: 20 };
    let (mut a, mut b) = (Platform::new(1), Platform::new(1));
    let events = a.events(&load);
    assert_eq!(events, b.events(&load));
    assert_ne!(events, Platform::new(2).events(&load));
    let distinct: BTreeSet<_> = events.iter().map(|it| (&it.key, &it.value)).collect();
    assert!(distinct.len() < events.len(), "copies are among them");
    assert!(a.expected.dead.values().map(Vec::len).sum::<usize>() > 10, "bad ones are among them");
}
