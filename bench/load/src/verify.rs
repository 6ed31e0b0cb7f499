//! `load verify`: whether the outputs are what must come of the load, and nothing else: every leg exactly once, balances exact, sequences
//! without a gap, notifications once, dead letters byte for byte and once.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::{self, CURRENCY, Kind, Load, What};
use crate::options::Options;
use crate::outputs::{Balance, Counted, Derived, Notification};
use crate::reading;

/// Faults that are shown in words; all are counted.
const SHOWN: usize = 5;

/// The outputs that each output topic has of an event.
pub fn outputs_of(load: &Load, number: u64) -> u64 {
    match load.kind {
        Kind::Transactions => {
            let it = load.transaction(number);
            u64::from(it.from.is_some()) + u64::from(it.to.is_some())
        }
        Kind::Sessions => 1,
    }
}

/// The number of the event that a BALANCE_UPDATED came of, without parsing all of it.
pub fn transaction_of(value: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"\"transactionId\":";
    let at = value.windows(NAME.len()).position(|it| it == NAME)? + NAME.len();
    let digits = value.get(at..)?.iter().take_while(|it| it.is_ascii_digit());
    digits.fold(0_u64, |sum, it| sum * 10 + u64::from(it - b'0')).checked_sub(1)
}

pub fn command(options: &Options) {
    let (load, to) = (Load::new(options), options.need::<u64>("to"));
    let mut check = Check { load: &load, to, source: options.or("source", source(&load)), faults: 0, shown: Vec::new(), records: 0 };
    match load.kind {
        Kind::Transactions => {
            check.balances();
            check.notifications();
        }
        Kind::Sessions => check.sessions(),
    }
    check.dead_letters();
    let Check { faults, shown, records, .. } = check;
    println!("{}", serde_json::json!({"ok": faults == 0, "faults": faults, "shown": shown, "records": records}));
}

fn source(load: &Load) -> String {
    let name = if load.kind == Kind::Transactions { "transaction-balance" } else { "user-sessions" };
    format!("{name}{}", load.suffix)
}

struct Check<'l> {
    load: &'l Load,
    to: u64,
    /// What derived events say where they come from: the topology.
    source: String,
    faults: u64,
    shown: Vec<String>,
    records: u64,
}

/// What was seen of each event: a bit for each of its legs.
struct Seen(Vec<u8>);

impl Seen {
    /// Whether it is the first time.
    fn first(&mut self, number: u64, bit: u8) -> bool {
        let of = &mut self.0[usize::try_from(number).expect("fits")];
        let first = *of & bit == 0;
        *of |= bit;
        first
    }
}

impl Check<'_> {
    fn fault(&mut self, what: impl FnOnce() -> String) {
        self.faults += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(what());
        }
    }

    fn seen(&self) -> Seen {
        Seen(vec![0; usize::try_from(self.to).expect("fits")])
    }

    /// An output with its envelope checked, and the number of its cause.
    fn event<'a, T: Derived<'a>>(&mut self, name: &str, value: Option<&'a [u8]>, ids: &mut FxHashSet<u128>) -> Option<(T, u64)> {
        self.records += 1;
        let text = || String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
        let Ok(event) = serde_json::from_slice::<T>(value.unwrap_or_default()) else {
            self.fault(|| format!("no {name}: {}", text()));
            return None;
        };
        let (event_type, id, timestamp, metadata) = event.envelope();
        let number = model::number_at(timestamp).filter(|it| *it < self.to && self.load.what(*it) == What::Event);
        let Some(number) = number else {
            self.fault(|| format!("caused by no event: {}", text()));
            return None;
        };
        if event_type != name || metadata.source != self.source || metadata.version != "1.0" {
            self.fault(|| format!("not {name}, or of another topology: {}", text()));
        }
        // A name-based UUID: version 3 or 5.
        let named = id.len() == 36 && matches!(id.as_bytes()[14], b'3' | b'5');
        let id = u128::from_str_radix(&id.replace('-', ""), 16).ok().filter(|_| named);
        if id.is_none_or(|it| !ids.insert(it)) {
            self.fault(|| format!("eventId is no name-based one of its own: {}", text()));
        }
        Some((event, number))
    }

    /// What a leg moves and its bit, if the transaction has one of that wallet.
    fn leg(&self, number: u64, wallet: u64, transaction: u64) -> Option<(i64, u8)> {
        let of = self.load.transaction(number);
        if transaction != number + 1 {
            return None;
        }
        match (of.from == Some(wallet), of.to == Some(wallet)) {
            (true, _) => Some((-of.amount, 1)),
            (_, true) => Some((of.amount, 2)),
            _ => None,
        }
    }

    fn balances(&mut self) {
        let (mut seen, mut ids) = (self.seen(), FxHashSet::default());
        // Of a wallet: the last sequence, its balance, its partition.
        let mut wallets: FxHashMap<u64, (u64, i64, i32)> = FxHashMap::default();
        let topic = self.load.topic("balance-events");
        reading::read(&[topic], |partition, _, key, value| {
            let Some((it, number)) = self.event::<Balance<'_>>("BALANCE_UPDATED", value, &mut ids) else { return };
            let Some((delta, bit)) = self.leg(number, it.wallet_id, it.transaction_id) else {
                return self.fault(|| format!("an update of no leg: wallet {}, transaction {}", it.wallet_id, it.transaction_id));
            };
            let (last, balance, at) = wallets.entry(it.wallet_id).or_insert((0, 0, partition));
            (*last, *balance) = (*last + 1, *balance + delta);
            let right = model::parts(it.delta) == Some(delta)
                && model::parts(it.balance) == Some(*balance)
                && it.sequence == *last
                && it.currency == CURRENCY
                && *at == partition
                && key == Some(it.wallet_id.to_string().as_bytes());
            if !right || !seen.first(number, bit) {
                self.fault(|| format!("wrong or again: {}", String::from_utf8_lossy(value.unwrap_or_default())));
            }
        });
        self.all_legs(&seen, "balance");
    }

    fn notifications(&mut self) {
        let (mut seen, mut ids) = (self.seen(), FxHashSet::default());
        let topic = self.load.topic("notification-events");
        reading::read(&[topic], |_, _, key, value| {
            let Some((it, number)) = self.event::<Notification<'_>>("NOTIFICATION_REQUESTED", value, &mut ids) else { return };
            let leg = self.leg(number, it.wallet_id, it.transaction_id);
            let right = leg.is_some_and(|(delta, _)| model::parts(it.amount) == Some(delta.abs()))
                && it.template == "transaction-completed"
                && it.currency == CURRENCY
                && key == Some(it.wallet_id.to_string().as_bytes());
            if !right || leg.is_some_and(|(_, bit)| !seen.first(number, bit)) {
                self.fault(|| format!("wrong or again: {}", String::from_utf8_lossy(value.unwrap_or_default())));
            }
        });
        self.all_legs(&seen, "notification");
    }

    fn all_legs(&mut self, seen: &Seen, what: &str) {
        for number in 0..self.to {
            if self.load.what(number) != What::Event {
                continue;
            }
            let of = self.load.transaction(number);
            let wanted = u8::from(of.from.is_some()) | u8::from(of.to.is_some()) << 1;
            if seen.0[number as usize] != wanted {
                self.fault(|| format!("no {what} of a leg of transaction {}", number + 1));
            }
        }
    }

    fn sessions(&mut self) {
        let (mut seen, mut ids) = (self.seen(), FxHashSet::default());
        let mut users: FxHashMap<u64, (u64, u64)> = FxHashMap::default();
        let topic = self.load.topic("session-events");
        reading::read(&[topic], |_, _, key, value| {
            let Some((it, number)) = self.event::<Counted<'_>>("SESSION_COUNTED", value, &mut ids) else { return };
            let of = self.load.session(number);
            let (logins, sessions) = users.entry(of.user).or_default();
            (*logins, *sessions) = (*logins + u64::from(of.login), *sessions + u64::from(!of.login));
            let right = it.user_id == format!("user-{:07}", of.user)
                && (it.logins, it.sessions) == (*logins, *sessions)
                && key == Some(it.user_id.as_bytes());
            if !right || !seen.first(number, 1) {
                self.fault(|| format!("wrong or again: {}", String::from_utf8_lossy(value.unwrap_or_default())));
            }
        });
        for number in 0..self.to {
            if self.load.what(number) == What::Event && seen.0[number as usize] == 0 {
                self.fault(|| format!("nothing came of event {number}"));
            }
        }
    }

    fn dead_letters(&mut self) {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let mut left: FxHashMap<(Vec<u8>, Vec<u8>), u64> = FxHashMap::default();
        for number in (0..self.to).filter(|it| self.load.what(*it) == What::Bad) {
            self.load.write(number, &mut key, &mut value);
            *left.entry((key.clone(), value.clone())).or_default() += 1;
        }
        let topic = format!("{}.dlq", self.load.input());
        reading::read(&[topic], |_, _, key, value| {
            self.records += 1;
            let (key, value) = (key.unwrap_or_default().to_vec(), value.unwrap_or_default().to_vec());
            let text = String::from_utf8_lossy(&value).into_owned();
            match left.get_mut(&(key, value)) {
                Some(count) if 0 < *count => *count -= 1,
                _ => self.fault(|| format!("a dead letter too many: {text}")),
            }
        });
        let missing: u64 = left.values().sum();
        if 0 < missing {
            self.faults += missing;
            self.shown.push(format!("{missing} dead letters are missing"));
        }
    }
}
