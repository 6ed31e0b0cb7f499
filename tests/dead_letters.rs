//! Dead letters over the log in memory: sent back once, whatever crashes and whoever else tries; rehearsed without effects.

#![cfg(test)]

use std::collections::BTreeMap;
use std::sync::Arc;

use goyt::adapters::memory::access::MemoryAccess;
use goyt::adapters::memory::cluster::Cluster;
use goyt::adapters::memory::driver::TopologyDriver;
use goyt::adapters::memory::partition::Content;
use goyt::adapters::memory::{Identity, MemoryLog};
use goyt::engine::plan::Plan;
use goyt::engine::record::{TopicId, TopicPartition};
use goyt::engine::topology::{Sources, plan};
use goyt::runtime::operations::access::{Access as _, NewRecord, TopicReader, TopicWriter};
use goyt::runtime::operations::audit;
use goyt::runtime::operations::dead_letters::filter::{Filter, GroupBy, State};
use goyt::runtime::operations::dead_letters::letter::{Letter, REDRIVE_COUNT};
use goyt::runtime::operations::dead_letters::marks::Action;
use goyt::runtime::operations::dead_letters::redrive::{self, Order, Refusal, Summary, Tools};
use goyt::runtime::operations::dead_letters::rehearsal::Rehearsal;
use goyt::runtime::operations::dead_letters::{self, Error};
use goyt::runtime::ports::{Cause, Log as _, LogError, OutRecord};
use goyt::runtime::reaction::Reaction;

const NOW: i64 = 1_800_000_000_000;
const DAY: i64 = 86_400_000;
const PARTITIONS: i32 = 3;
const EVENT: &str =
    r#"{ "type": "object", "required": ["n"], "properties": { "n": { "type": "integer", "minimum": -99, "maximum": 99 } } }"#;
/// Takes orders whose number is positive.
const STRICT: &str = "topology: shop\ndescription: Sells.\ninputs:\n  - topic: orders\n    events: [ORDER@1]\n    dedup: { by: eventId, window: 1d }\nsteps:\n  - require: { id: positive, that: event.n > 0, else: reject(NEGATIVE) }\n  - emit: { to: receipts, event: RECEIPT@1, key: event.n, value: { n: event.n } }\n";
/// Reads the same topic and keeps no ids.
const AUDIT: &str = "topology: tally\ndescription: Tallies.\ninputs:\n  - topic: orders\n    events: [ORDER@1]\nsteps:\n  - emit: { to: tallies, event: RECEIPT@1, value: { n: event.n } }\n";

fn plan_of(topologies: &[&str]) -> Arc<Plan> {
    let named = |(index, text): (usize, &&str)| (format!("{index}.yaml"), (*text).to_owned());
    let event = |name: &str| (format!("{name}.json"), EVENT.to_owned());
    let sources =
        Sources { topologies: topologies.iter().enumerate().map(named).collect(), events: vec![event("ORDER@1"), event("RECEIPT@1")] };
    Arc::new(plan("app", &sources).unwrap())
}

/// The topology after it was mended.
fn lenient() -> String {
    STRICT.replace("event.n > 0", "event.n > -50")
}

fn order(n: i64, at: i64) -> Content {
    let time = jiff::Timestamp::from_millisecond(at).unwrap();
    let id = uuid::Uuid::from_u128(u128::from(n.unsigned_abs()) + 1);
    let value =
        format!(r#"{{"eventType":"ORDER","eventId":"{id}","n":{n},"timestamp":"{time}","metadata":{{"source":"test","version":"1.0"}}}}"#);
    let headers = vec![("trace".to_owned(), Some(vec![0xff, 0x00])), ("empty".to_owned(), None)];
    Content { key: Some(n.to_string().into_bytes()), value: Some(value.into_bytes()), headers, timestamp: at }
}

/// An application that ran.
struct Shop {
    driver: TopologyDriver,
    plan: Arc<Plan>,
}

impl Shop {
    /// It has processed these.
    fn after(plan: &Arc<Plan>, orders: impl IntoIterator<Item = Content>) -> Self {
        let driver = TopologyDriver::new(Arc::clone(plan), PARTITIONS, NOW);
        audit::prepare(&mut driver.cluster.clone(), "app", -1).unwrap();
        for order in orders {
            driver.cluster.append("orders", None, order).unwrap();
        }
        let shop = Self { driver, plan: Arc::clone(plan) };
        shop.work();
        shop
    }

    /// The same cluster and state with other topologies.
    fn mended(self, plan: &Arc<Plan>) -> Self {
        let mut driver = TopologyDriver::new(Arc::clone(plan), PARTITIONS, NOW);
        (driver.cluster, driver.stores) = (self.driver.cluster, self.driver.stores);
        Self { driver, plan: Arc::clone(plan) }
    }

    fn work(&self) {
        let mut worker = self.driver.worker("a");
        worker.join().unwrap();
        self.driver.run_until_idle(&mut worker).unwrap();
        drop(worker);
        self.cluster().expel("app", "a");
    }

    fn cluster(&self) -> &Cluster {
        &self.driver.cluster
    }

    fn reader(&self) -> Box<dyn TopicReader> {
        MemoryAccess::new(self.cluster()).reader("app").unwrap()
    }

    fn writer(&self) -> Box<dyn TopicWriter> {
        MemoryAccess::new(self.cluster()).writer(Some(&redrive::transactional_id("app"))).unwrap()
    }

    fn open(&self) -> Vec<Letter> {
        self.list(State::Open)
    }

    fn list(&self, state: State) -> Vec<Letter> {
        let filter = Filter { state, ..Filter::default() };
        dead_letters::list(&mut *self.reader(), &self.plan, &filter, 1_000).unwrap().letters
    }

    fn order<'a>(&'a self, filter: &'a Filter) -> Order<'a> {
        let (action, why, by, batch) = (Action::Redrive, "mended", "ann@desk", "b1");
        Order { plan: &self.plan, filter, action, why, by, batch, max: None, rate: None, max_redrives: 3, accept_repeats: false }
    }

    fn carry_out(&self, order: &Order<'_>) -> Result<Summary, Error> {
        self.carry_out_with(&mut *self.writer(), order, &mut |_| {})
    }

    fn carry_out_with(&self, writer: &mut dyn TopicWriter, order: &Order<'_>, said: &mut dyn FnMut(&Summary)) -> Result<Summary, Error> {
        let tools = Tools { reader: &mut *self.reader(), writer, clock: &self.driver.clock };
        redrive::carry_out(tools, order, said)
    }

    fn redrive(&self) -> Result<Summary, Error> {
        self.carry_out(&self.order(&Filter::default()))
    }

    /// How often each key is on a topic.
    fn keys(&self, topic: &str) -> BTreeMap<String, usize> {
        let mut keys = BTreeMap::new();
        for stored in self.cluster().read_all(topic).unwrap() {
            *keys.entry(String::from_utf8(stored.content.key.clone().unwrap()).unwrap()).or_default() += 1;
        }
        keys
    }

    /// Every order of `1..=bad` is back once, and marked once.
    fn check_each_once(&self, bad: i64, what: &str) {
        let twice: BTreeMap<String, usize> = (1..=bad).map(|n| (format!("-{n}"), 2)).collect();
        assert_eq!(self.keys("orders"), twice, "{what}");
        let marks = self.keys("app-audit");
        assert_eq!((marks.len(), marks.values().all(|it| *it == 1)), (usize::try_from(bad).unwrap(), true), "{what}");
        assert!(self.open().is_empty(), "{what}");
    }
}

/// Bad orders −1, −2, …
fn bad(count: i64) -> impl Iterator<Item = Content> {
    (1..=count).map(|n| order(-n, NOW))
}

#[test]
fn a_redriven_record_is_the_one_that_failed_and_takes_effect_once() {
    let shop = Shop::after(&plan_of(&[STRICT]), bad(20)).mended(&plan_of(&[&lenient()]));
    assert_eq!(shop.open().len(), 20);
    let summary = shop.redrive().unwrap();
    assert_eq!((summary.done, summary.already, summary.refused.len()), (20, 0, 0));
    shop.check_each_once(20, "redriven");
    for n in 1..=20 {
        let all = shop.cluster().read_all("orders").unwrap();
        let key = format!("-{n}").into_bytes();
        let [first, again] = all.iter().filter(|it| it.content.key.as_ref() == Some(&key)).collect::<Vec<_>>()[..] else { panic!("{n}") };
        let mut headers = first.content.headers.clone();
        headers.push((REDRIVE_COUNT.to_owned(), Some(b"1".to_vec())));
        assert_eq!((again.partition, &again.content.value, &again.content.headers), (first.partition, &first.content.value, &headers));
    }
    shop.work();
    assert_eq!(shop.keys("receipts"), (1..=20).map(|n| (format!("-{n}"), 1)).collect());

    let again = shop.redrive().unwrap();
    assert_eq!((again.done, again.already), (0, 20), "a second redrive changes nothing");
    shop.work();
    assert_eq!(shop.keys("receipts").values().sum::<usize>(), 20);
    shop.check_each_once(20, "redriven again");
}

#[test]
fn a_record_that_fails_again_is_a_letter_of_its_own_and_goes_back_so_often_only() {
    let shop = Shop::after(&plan_of(&[STRICT]), bad(1));
    for redrives in 1..=3 {
        assert_eq!(shop.redrive().unwrap().done, 1);
        shop.work();
        let open = shop.open();
        assert_eq!((open.len(), open[0].redrives), (1, redrives));
    }
    let summary = shop.redrive().unwrap();
    assert_eq!((summary.done, summary.refused.get(&Refusal::TooOften).map(|it| it.0)), (0, Some(1)));
    let once_more = Filter::default();
    assert_eq!(shop.carry_out(&Order { max_redrives: 4, ..shop.order(&once_more) }).unwrap().done, 1);
}

#[test]
fn a_discarded_letter_is_done_and_its_record_stays_where_it_is() {
    let shop = Shop::after(&plan_of(&[STRICT]), bad(4));
    let one = Filter { key: Some("-2".into()), ..Filter::default() };
    assert_eq!(shop.carry_out(&Order { action: Action::Discard, why: "a test order", ..shop.order(&one) }).unwrap().done, 1);
    assert_eq!(shop.keys("orders").values().sum::<usize>(), 4);
    let done = shop.list(State::Done);
    let mark = done[0].mark.as_ref().unwrap();
    assert_eq!(
        (done.len(), done[0].key_text(), mark.action, &*mark.why, &*mark.by),
        (1, Some("-2"), Action::Discard, "a test order", "ann@desk")
    );
    let summary = shop.redrive().unwrap();
    assert_eq!((summary.done, summary.already), (3, 1), "what was discarded is not redriven");
}

/// Fails in its n-th call, before or after it is done; then it is dead, or mends.
struct Failing {
    inner: Box<dyn TopicWriter>,
    calls_left: u32,
    after: bool,
    reaction: Reaction,
    dies: bool,
    dead: bool,
}

impl Failing {
    fn error(&self) -> LogError {
        LogError { code: "TEST", reaction: self.reaction, message: "the process is gone".into(), at: None, partition: None }
    }

    fn call(&mut self, call: impl FnOnce(&mut dyn TopicWriter) -> Result<(), LogError>) -> Result<(), LogError> {
        if self.dead {
            return Err(self.error());
        }
        self.calls_left = self.calls_left.saturating_sub(1);
        if self.calls_left == 0 && !self.dead {
            self.calls_left = u32::MAX;
            self.dead = self.dies;
            if self.after {
                call(&mut *self.inner).unwrap();
            }
            return Err(self.error());
        }
        call(&mut *self.inner)
    }
}

impl TopicWriter for Failing {
    fn init(&mut self) -> Result<(), LogError> {
        self.call(|it| it.init())
    }

    fn transact(&mut self, records: &[NewRecord]) -> Result<(), LogError> {
        self.call(|it| it.transact(records))
    }

    fn write(&mut self, _records: &[NewRecord]) -> Result<(), LogError> {
        panic!("a redrive writes in transactions only");
    }
}

/// One initialisation, and with 20 letters in each transaction about five transactions.
const CALLS: u32 = 8;
/// Two letters a transaction.
const SMALL_BATCHES: Option<u32> = Some(20);

#[test]
fn a_crash_between_any_two_steps_of_a_redrive_loses_and_doubles_nothing() {
    let mut crashed = 0;
    for (calls_left, after) in (1..=CALLS).flat_map(|call| [(call, false), (call, true)]) {
        let shop = Shop::after(&plan_of(&[STRICT]), bad(10));
        let filter = Filter::default();
        let order = Order { rate: SMALL_BATCHES, ..shop.order(&filter) };
        let mut writer = Failing { inner: shop.writer(), calls_left, after, reaction: Reaction::Stop, dies: true, dead: false };
        crashed += u32::from(shop.carry_out_with(&mut writer, &order, &mut |_| {}).is_err());
        drop(writer);
        let summary = shop.redrive().unwrap();
        assert_eq!(summary.done + summary.already, 10);
        shop.check_each_once(10, &format!("call {calls_left}, after it: {after}"));
    }
    assert!(crashed >= 2 * 6, "{crashed} crashes only");
}

#[test]
fn a_lost_answer_is_looked_up_and_neither_lost_nor_doubled() {
    for (calls_left, after) in (2..=CALLS).flat_map(|call| [(call, false), (call, true)]) {
        for reaction in [Reaction::Recycle, Reaction::AbortAndRewind, Reaction::Retry] {
            let shop = Shop::after(&plan_of(&[STRICT]), bad(10));
            let filter = Filter::default();
            let order = Order { rate: SMALL_BATCHES, ..shop.order(&filter) };
            let mut writer = Failing { inner: shop.writer(), calls_left, after, reaction, dies: false, dead: false };
            let summary = shop.carry_out_with(&mut writer, &order, &mut |_| {}).unwrap();
            assert_eq!((summary.done, summary.already), (10, 0), "{reaction:?} in call {calls_left}, after it: {after}");
            shop.check_each_once(10, &format!("{reaction:?} in call {calls_left}, after it: {after}"));
        }
    }
}

/// Takes all records but one.
struct Picky(Box<dyn TopicWriter>);

impl TopicWriter for Picky {
    fn init(&mut self) -> Result<(), LogError> {
        self.0.init()
    }

    fn transact(&mut self, records: &[NewRecord]) -> Result<(), LogError> {
        if records.iter().any(|it| it.topic == "orders" && it.key.as_deref() == Some(b"-3")) {
            let (code, reaction) = ("MSG_SIZE_TOO_LARGE", Reaction::RefuseRecord);
            return Err(LogError { code, reaction, message: "too large".into(), at: None, partition: None });
        }
        self.0.transact(records)
    }

    fn write(&mut self, _records: &[NewRecord]) -> Result<(), LogError> {
        panic!("a redrive writes in transactions only");
    }
}

#[test]
fn a_record_that_the_broker_does_not_take_stays_and_the_others_go_back() {
    let shop = Shop::after(&plan_of(&[STRICT]), bad(10));
    let filter = Filter::default();
    let summary = shop.carry_out_with(&mut Picky(shop.writer()), &shop.order(&filter), &mut |_| {}).unwrap();
    assert_eq!((summary.done, summary.refused.get(&Refusal::NotTaken).map(|it| it.0)), (9, Some(1)));
    assert_eq!(shop.open().iter().filter_map(Letter::key_text).collect::<Vec<_>>(), ["-3"]);
}

#[test]
fn of_two_redrives_at_once_the_later_one_goes_on_and_each_record_is_back_once() {
    for at in 1..=3 {
        let shop = Shop::after(&plan_of(&[STRICT]), bad(10));
        let filter = Filter::default();
        let first = Order { rate: SMALL_BATCHES, ..shop.order(&filter) };
        let (mut batches, mut second) = (0, None);
        let ended = shop.carry_out_with(&mut *shop.writer(), &first, &mut |_| {
            batches += 1;
            if batches == at {
                second = Some(shop.carry_out(&Order { batch: "b2", ..shop.order(&filter) }).unwrap());
            }
        });
        assert_eq!(ended, Err(Error::Taken), "the first is told");
        let second = second.unwrap();
        assert_eq!((second.done + second.already, second.done > 0, second.already > 0), (10, true, true));
        shop.check_each_once(10, "two at once");
    }
}

#[test]
fn what_a_crashed_redrive_left_open_is_aborted_and_holds_nothing_up() {
    let shop = Shop::after(&plan_of(&[STRICT]), bad(3));
    let identity = Identity { group: "none".into(), member: "none".into(), transactional_id: redrive::transactional_id("app") };
    let mut crashed = MemoryLog::new(shop.cluster(), identity, ["orders".to_owned(), "app-audit".to_owned()]);
    let producer = crashed.parts().producer;
    producer.init().unwrap();
    producer.begin().unwrap();
    for topic in [0, 1] {
        let cause = Cause::Input(TopicPartition { topic: TopicId(0), partition: 0 }, 0);
        let (key, value, headers) = (Some(&b"-1"[..]), Some(&b"{}"[..]), &[][..]);
        let (topic, partition, watched) = (TopicId(topic), Some(0), false);
        producer.send(&OutRecord { topic, partition, key, value, timestamp: NOW, headers, cause, watched }).unwrap();
    }
    drop(crashed);
    assert_eq!(shop.redrive().unwrap().done, 3);
    shop.check_each_once(3, "after an open transaction");
}

#[test]
fn what_can_not_go_back_is_left_and_said_by_name() {
    let shop = Shop::after(&plan_of(&[STRICT]), []);
    let header = |name: &str, value: &str| (name.to_owned(), Some(value.as_bytes().to_vec()));
    let from = |topic: &str, partition: &str| {
        [("topic", topic), ("partition", partition), ("offset", "0")]
            .map(|(name, value)| header(&format!("__streams.errors.{name}"), value))
    };
    let shop_headers = [header("goyt.reason", "R"), header("goyt.topology", "shop")];
    let letter = |headers: Vec<(String, Option<Vec<u8>>)>| Content { value: Some(vec![1]), headers, timestamp: NOW, ..Content::default() };
    let cases = [
        (Refusal::Foreign, Vec::new()),
        (Refusal::NoOrigin, shop_headers.to_vec()),
        (Refusal::OriginGone, [&from("orders", "7"), &shop_headers[..]].concat()),
        (Refusal::OriginGone, [&from("nowhere", "0"), &shop_headers[..]].concat()),
        (Refusal::NoValue, [&from("orders", "0"), &shop_headers[..], &[header("goyt.value.bytes", "9")]].concat()),
        (Refusal::Foreign, [&from("orders", "0")[..], &[header("goyt.reason", "R"), header("goyt.topology", "gone")]].concat()),
    ];
    for (refusal, headers) in cases {
        let (_, offset) = shop.cluster().append("orders.dlq", Some(0), letter(headers)).unwrap();
        let summary = shop.redrive().unwrap();
        let last = summary.refused.get(&refusal).and_then(|it| it.1.clone());
        assert!(last.is_some(), "{refusal:?} at {offset}: {summary:?}");
        assert_eq!(summary.done, 0);
    }
    let gone = Filter { topology: Some("gone".into()), ..Filter::default() };
    assert_eq!(shop.carry_out(&shop.order(&gone)).unwrap().done, 1, "whoever names the topology means it");
}

#[test]
fn a_record_that_another_topology_would_process_twice_is_not_sent_back_unless_told() {
    let plan = plan_of(&[STRICT, AUDIT]);
    let shop = Shop::after(&plan, bad(2));
    assert_eq!(shop.redrive().unwrap().refused.get(&Refusal::Repeats).map(|it| it.0), Some(2));
    let filter = Filter::default();
    assert_eq!(shop.carry_out(&Order { accept_repeats: true, ..shop.order(&filter) }).unwrap().done, 2);
}

#[test]
fn a_rate_and_a_bound_are_kept() {
    let shop = Shop::after(&plan_of(&[STRICT]), bad(10));
    let filter = Filter::default();
    let before = goyt::runtime::ports::Clock::elapsed(&shop.driver.clock);
    assert_eq!(shop.carry_out(&Order { rate: Some(2), max: Some(7), ..shop.order(&filter) }).unwrap().done, 7);
    let took = goyt::runtime::ports::Clock::elapsed(&shop.driver.clock) - before;
    assert!((3_000..=3_500).contains(&took.as_millis()), "{took:?} for 7 letters, 2 a second");
    assert_eq!(shop.open().len(), 3);
}

#[test]
fn marks_that_were_deleted_stop_a_redrive_by_name() {
    let shop = Shop::after(&plan_of(&[STRICT]), bad(3));
    shop.redrive().unwrap();
    shop.cluster().delete_records("app-audit", 0, 1).unwrap();
    let ended = shop.redrive().unwrap_err().to_string();
    assert!(ended.starts_with("app-audit begins at offset 1"), "{ended}");
}

#[test]
fn letters_are_listed_latest_first_and_counted_in_groups() {
    let shop = Shop::after(
        &plan_of(&[STRICT]),
        (1..=5).map(|n| order(-n, NOW - n)).chain([Content {
            key: Some(b"x".to_vec()),
            value: Some(b"no json".to_vec()),
            timestamp: NOW,
            ..Content::default()
        }]),
    );
    let mut reader = shop.reader();
    let listing = dead_letters::list(&mut *reader, &shop.plan, &Filter::default(), 3).unwrap();
    let keys: Vec<_> = listing.letters.iter().filter_map(Letter::key_text).collect();
    assert_eq!((listing.matched, keys), (6, vec!["x", "-1", "-2"]));
    let groups = dead_letters::group(&mut *reader, &shop.plan, &Filter::default(), &[GroupBy::Reason, GroupBy::Step]).unwrap();
    let groups: Vec<_> = groups.iter().map(|it| (it.by.join(" "), it.open)).collect();
    assert_eq!(groups, [("NEGATIVE positive".to_owned(), 5), ("NOT_JSON decode".to_owned(), 1)]);
    let id = &listing.letters[2].id;
    let found = dead_letters::find(&mut *reader, &shop.plan, id).unwrap().unwrap();
    assert_eq!((&found.id, found.key_text()), (id, Some("-2")));
    assert_eq!(dead_letters::find(&mut *reader, &shop.plan, &"orders.dlq/0/999".parse().unwrap()).unwrap(), None);
    let since = Filter { since: Some(NOW - 2), ..Filter::default() };
    assert_eq!(dead_letters::list(&mut *reader, &shop.plan, &since, 9).unwrap().matched, 3);
}

#[test]
fn a_rehearsal_says_what_would_become_of_a_record_now_and_writes_nothing() {
    let old = order(-3, NOW - 2 * DAY);
    let orders = [order(-1, NOW), order(-60, NOW), Content { value: Some(b"{".to_vec()), ..order(-2, NOW) }, old];
    let shop = Shop::after(&plan_of(&[STRICT]), []);
    for order in orders.into_iter().chain([order(7, NOW)]) {
        shop.cluster().append("orders", Some(0), order).unwrap();
    }
    shop.work();
    let topics = |shop: &Shop| ["orders", "orders.dlq", "receipts"].map(|it| shop.cluster().read_all(it).unwrap().len());
    let before = topics(&shop);
    let shown = |topology: &str| {
        let plan = plan_of(&[topology]);
        let mut rehearsal = Rehearsal::new(&plan, NOW);
        let mut letters = shop.open();
        letters.sort_by(|a, b| a.id.cmp(&b.id));
        let would = |letter: &Letter| {
            let outlook = rehearsal.outlook(&mut *shop.reader(), letter).unwrap();
            let verdict = &outlook.verdicts[0];
            let failure = if let goyt::runtime::operations::dead_letters::rehearsal::Would::Fail(it) = &verdict.would {
                format!(" {} {} {}", it.code, it.step.as_deref().unwrap_or_default(), it.path)
            } else {
                String::new()
            };
            format!("{} {}{failure}", letter.reason, verdict.would.name())
        };
        letters.iter().map(would).collect::<Vec<_>>()
    };
    let still = [
        "NEGATIVE fails NEGATIVE positive ",
        "NEGATIVE fails NEGATIVE positive ",
        "NOT_JSON fails NOT_JSON decode ",
        // It was not too old when it failed: nothing newer had been processed.
        "NEGATIVE fails TOO_OLD dedup /timestamp",
    ];
    assert_eq!(shown(STRICT), still);
    assert_eq!(shown(&lenient())[..3], ["NEGATIVE passes", still[1], still[2]]);
    assert_eq!(shown(&lenient().replace("1d", "7d"))[3], "NEGATIVE passes");
    assert_eq!(topics(&shop), before);
}
