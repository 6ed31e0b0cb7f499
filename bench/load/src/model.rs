//! The loads, each record a function of its number: what writes them and what checks their outputs share nothing else, and keep nothing.
//!
//! `transactions`: completed transactions between wallets; `sessions`: log-ins and log-outs of users. Of both, one record in a hundred is a
//! copy of an earlier one, one in a hundred an event that no topology reads, and one in a thousand can't be processed.

use std::io::Write as _;

use crate::options::Options;
use crate::random::Random;

/// Events are a millisecond apart, from here on: the time of an event tells its number.
const DAY: &str = "2025-06-01";
/// A day of them.
pub const RECORDS_MAX: u64 = 86_400_000;
/// Copies come at most so many records after the first.
const COPY_DISTANCE: u64 = 500;
/// Amounts are whole numbers of a part of 10^-4 of the currency's unit.
pub const SCALE: usize = 4;
/// The currency of all of them.
pub const CURRENCY: &str = "KES";

/// Which load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Transactions,
    Sessions,
}

/// A load.
pub struct Load {
    pub kind: Kind,
    pub seed: u64,
    /// Added to the names of its topics: so that several topologies have their own.
    pub suffix: String,
    /// The number of wallets, or of users.
    keys: u64,
    /// How often a wallet is chosen, summed up; empty: all alike.
    shares: Vec<f64>,
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// An event that takes effect.
    Event,
    /// A copy of the event with this number.
    Copy(u64),
    /// Passed by.
    Other,
    /// A dead letter.
    Bad,
}

/// A transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transaction {
    pub from: Option<u64>,
    pub to: Option<u64>,
    /// In parts of 10^-4.
    pub amount: i64,
}

/// A log-in or log-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    pub user: u64,
    pub login: bool,
}

impl Load {
    /// `--kind`, `--seed`, `--keys`, `--zipf` (0: all keys alike), `--suffix`.
    pub fn new(options: &Options) -> Self {
        let kind = match options.need::<String>("kind").as_str() {
            "transactions" => Kind::Transactions,
            "sessions" => Kind::Sessions,
            other => panic!("--kind {other}: transactions or sessions"),
        };
        let (keys, zipf) = (options.or("keys", 10_000_u64), options.or("zipf", 0.9_f64));
        let mut shares = Vec::new();
        if zipf != 0.0 {
            let mut sum = 0.0;
            for rank in 1..=keys {
                sum += (rank as f64).powf(-zipf);
                shares.push(sum);
            }
        }
        Self { kind, seed: options.or("seed", 1), suffix: options.or("suffix", String::new()), keys, shares }
    }

    /// A topic of the contract, as it is named for this load.
    pub fn topic(&self, name: &str) -> String {
        format!("{name}{}", self.suffix)
    }

    /// The topic that is written.
    pub fn input(&self) -> String {
        self.topic(match self.kind {
            Kind::Transactions => "transaction-events",
            Kind::Sessions => "user-events",
        })
    }

    /// Numbers that belong to a record.
    fn random(&self, number: u64) -> Random {
        // One round apart: neighbours must not share a sequence.
        Random::new(Random::new(self.seed ^ number.wrapping_mul(0x2545_F491_4F6C_DD1D)).next())
    }

    /// What a record is.
    pub fn what(&self, number: u64) -> What {
        let mut random = self.random(number);
        match random.below(1_000) {
            0 => What::Bad,
            1..=10 => What::Other,
            11..=20 => {
                let from = number.saturating_sub(1 + random.below(COPY_DISTANCE));
                let mut earlier = (0..=from).rev().take_while(|_| number != 0);
                earlier.find(|it| self.what_first(*it)).map_or(What::Event, What::Copy)
            }
            _ => What::Event,
        }
    }

    /// Whether a record is an event by its own draw, whatever copies there are: so looking for one ends soon.
    fn what_first(&self, number: u64) -> bool {
        self.random(number).below(1_000) > 20
    }

    /// Which key was drawn.
    fn key(&self, random: &mut Random) -> u64 {
        let drawn = random.next();
        let Some(sum) = self.shares.last() else { return 1 + drawn % self.keys };
        let at = (drawn >> 11) as f64 / (1_u64 << 53) as f64 * sum;
        1 + (self.shares.partition_point(|it| *it < at) as u64).min(self.keys - 1)
    }

    /// The transaction of an event.
    pub fn transaction(&self, number: u64) -> Transaction {
        let mut random = self.random(number);
        random.next();
        random.next();
        let cents = 1 + i64::try_from(random.below(1_000_000)).expect("small");
        // One in eight has more decimals than the currency.
        let amount = if random.below(8) == 0 { cents } else { cents * 100 };
        let (first, second) = (self.key(&mut random), self.key(&mut random));
        let other = if second == first { 1 + second % self.keys } else { second };
        match random.below(4) {
            0 => Transaction { from: None, to: Some(first), amount },
            1 => Transaction { from: Some(first), to: None, amount },
            _ => Transaction { from: Some(first), to: Some(other), amount },
        }
    }

    /// The session of an event.
    pub fn session(&self, number: u64) -> Session {
        let mut random = self.random(number);
        random.next();
        random.next();
        Session { user: self.key(&mut random), login: random.below(2) == 0 }
    }

    /// Writes a record's key and value.
    pub fn write(&self, number: u64, key: &mut Vec<u8>, value: &mut Vec<u8>) {
        key.clear();
        value.clear();
        let what = self.what(number);
        let of = if let What::Copy(first) = what { first } else { number };
        match self.kind {
            Kind::Transactions => self.write_transaction(of, what, key, value),
            Kind::Sessions => self.write_session(of, what, key, value),
        }
        .expect("memory takes all");
    }

    fn write_transaction(&self, number: u64, what: What, key: &mut Vec<u8>, value: &mut Vec<u8>) -> std::io::Result<()> {
        let (of, fault) = (self.transaction(number), fault(number, what));
        write!(key, "{}", number + 1)?;
        if fault == Some(0) {
            return write!(value, "{{\"eventType\":\"TRANSACTION_COMPLETED\",\"transactionId\":{}", number + 1);
        }
        let (name, status) =
            if what == What::Other { ("TRANSACTION_INITIATED", "INITIATED") } else { ("TRANSACTION_COMPLETED", "COMPLETED") };
        self.begin(number, name, value)?;
        let kind = match (of.from, of.to) {
            _ if fault == Some(1) => "REFUND",
            (None, _) => "DEPOSIT",
            (_, None) => "WITHDRAWAL",
            _ => "TRANSFER",
        };
        let minus = if fault == Some(2) { "-" } else { "" };
        write!(value, ",\"transactionId\":{},\"transactionType\":\"{kind}\",\"amount\":\"{minus}{}\"", number + 1, printed(of.amount))?;
        write!(value, ",\"currency\":\"{CURRENCY}\",\"fromWalletId\":")?;
        or_null(of.from, value)?;
        write!(value, ",\"toWalletId\":")?;
        or_null(of.to, value)?;
        write!(value, ",\"status\":\"{status}\"")?;
        end(number, fault, "ledger-service", value)
    }

    fn write_session(&self, number: u64, what: What, key: &mut Vec<u8>, value: &mut Vec<u8>) -> std::io::Result<()> {
        let (of, fault) = (self.session(number), fault(number, what));
        write!(key, "user-{:07}", of.user)?;
        if fault == Some(0) {
            return write!(value, "{{\"eventType\":\"USER_LOGIN\",\"userId\":\"{number}\"");
        }
        let name = match (what, of.login) {
            (What::Other, _) => "USER_REGISTERED",
            (_, true) => "USER_LOGIN",
            (_, false) => "USER_LOGOUT",
        };
        self.begin(number, name, value)?;
        match fault {
            Some(1) => write!(value, ",\"userId\":{number}")?,
            Some(2) => write!(value, ",\"userName\":\"{number}\"")?,
            _ => write!(value, ",\"userId\":\"user-{:07}\",\"username\":\"name of {}\"", of.user, of.user)?,
        }
        if what == What::Other {
            write!(value, ",\"email\":\"user-{}@example.com\"", of.user)?;
        }
        end(number, fault, "auth-service", value)
    }

    fn begin(&self, number: u64, name: &str, value: &mut Vec<u8>) -> std::io::Result<()> {
        let mut random = self.random(number ^ 1 << 60);
        write!(value, "{{\"eventType\":\"{name}\",\"eventId\":\"{}\"", random.uuid())
    }
}

/// Which fault a bad record has.
fn fault(number: u64, what: What) -> Option<u64> {
    (what == What::Bad).then_some(number % 5)
}

fn or_null(id: Option<u64>, value: &mut Vec<u8>) -> std::io::Result<()> {
    match id {
        Some(id) => write!(value, "{id}"),
        None => write!(value, "null"),
    }
}

fn end(number: u64, fault: Option<u64>, source: &str, value: &mut Vec<u8>) -> std::io::Result<()> {
    write!(value, ",\"timestamp\":\"{}\"", timestamp(number))?;
    match fault {
        Some(3) => write!(value, "}}"),
        Some(4) => write!(value, ",\"metadata\":{{\"source\":\"{source}\",\"version\":\"2.0\"}}}}"),
        _ => write!(value, ",\"metadata\":{{\"source\":\"{source}\",\"version\":\"1.0\"}}}}"),
    }
}

/// When the event with a number happened.
pub fn timestamp(number: u64) -> String {
    let (seconds, millis) = (number / 1000, number % 1000);
    format!("{DAY}T{:02}:{:02}:{:02}.{millis:03}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The number of the event that happened then.
pub fn number_at(timestamp: &str) -> Option<u64> {
    let time = timestamp.strip_prefix(DAY)?.strip_prefix('T')?.strip_suffix('Z')?;
    let part = |range: std::ops::Range<usize>| time.get(range)?.parse::<u64>().ok();
    Some(((part(0..2)? * 60 + part(3..5)?) * 60 + part(6..8)?) * 1000 + part(9..12)?)
}

/// An amount as it stands in events: two decimals, or four.
fn printed(amount: i64) -> String {
    match amount % 100 {
        0 => format!("{}.{:02}", amount / 10_000, amount / 100 % 100),
        _ => format!("{}.{:04}", amount / 10_000, amount % 10_000),
    }
}

/// A decimal in parts of 10^-4; `None` when it is none, or finer.
pub fn parts(text: &str) -> Option<i64> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |it| (-1, it));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
    let (kept, rest) = fraction.split_at(fraction.len().min(SCALE));
    if whole.is_empty() || !digits(whole) || !digits(fraction) || rest.bytes().any(|it| it != b'0') {
        return None;
    }
    let kept = format!("{kept:0<4}").parse::<i64>().ok()?;
    Some(sign * (whole.parse::<i64>().ok()? * 10_000 + kept))
}
