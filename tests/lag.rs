//! How far tasks are behind, on a cluster in memory with the product's own worker.

#![cfg(test)]

use std::sync::Arc;

use goyt::adapters::memory::access::MemoryAccess;
use goyt::adapters::memory::driver::TopologyDriver;
use goyt::adapters::memory::partition::Content;
use goyt::adapters::memory::{Identity, MemoryLog};
use goyt::engine::plan::Plan;
use goyt::engine::record::{Millis, TopicId, TopicPartition};
use goyt::engine::topology::{Sources, plan};
use goyt::runtime::operations::access::{Access, NewRecord, TopicWriter};
use goyt::runtime::operations::lag::evaluation::WINDOW;
use goyt::runtime::operations::lag::overview::{TaskLag, overview, reports};
use goyt::runtime::operations::lag::{LagReport, LagStatus};
use goyt::runtime::operations::reporter::{About, Reporter};
use goyt::runtime::ports::{Cause, Clock, Log, OutRecord};
use goyt::runtime::worker::Worker;

const NOW: Millis = 1_800_000_000_000;

const TOPOLOGY: &str = "
topology: shop
inputs: [{ topic: orders, events: [ORDERED@1] }]
steps:
  - require: { id: positive, that: event.count > 0, else: stop }
  - emit: { id: out, to: receipts, event: RECEIPT@1, key: event.orderId, value: { orderId: event.orderId } }
";

fn schema(event_type: &str, more: &str) -> (String, String) {
    let text = format!(
        r#"{{"type":"object","properties":{{"eventType":{{"const":"{event_type}"}},"eventId":{{"type":"string","format":"uuid"}},
        "timestamp":{{"type":"string","format":"date-time"}},"orderId":{{"type":"string"}}{more},
        "metadata":{{"type":"object","properties":{{"source":{{"type":"string"}},"version":{{"type":"string"}}}},"required":["source","version"]}}}},
        "required":["eventType","eventId","orderId","timestamp","metadata"]}}"#
    );
    (
        format!("{event_type}@1.json"),
        text.replace(
            r#""orderId","timestamp""#,
            if more.is_empty() { r#""orderId","timestamp""# } else { r#""orderId","count","timestamp""# },
        ),
    )
}

fn shop() -> Arc<Plan> {
    let events = [schema("ORDERED", r#","count":{"type":"integer","minimum":-9,"maximum":9}"#), schema("RECEIPT", "")];
    let sources = Sources { topologies: vec![("shop.yaml".to_owned(), TOPOLOGY.to_owned())], events: events.into() };
    Arc::new(plan("app", &sources).unwrap_or_else(|it| panic!("{it:#?}")))
}

/// A shop with two partitions, a worker and a reporter.
struct Shop {
    driver: TopologyDriver,
    plan: Arc<Plan>,
    access: MemoryAccess,
    worker: Worker,
    reporter: Reporter,
    orders: u32,
}

impl Shop {
    fn open() -> Self {
        let plan = shop();
        let driver = TopologyDriver::new(Arc::clone(&plan), 2, NOW);
        driver.cluster.create_topic("app-lag", 1);
        let access = MemoryAccess::new(&driver.cluster);
        let about = About { application: "app".into(), instance: "i1".into(), address: Some("host:8080".into()) };
        let reporter = Reporter::new(about, Arc::clone(&plan), Arc::clone(&driver.board), Arc::new(access.clone()));
        let mut worker = driver.worker("w");
        worker.join().unwrap();
        driver.run_until_idle(&mut worker).unwrap();
        Self { driver, plan, access, worker, reporter, orders: 0 }
    }

    fn order(&mut self, count: i32, age: Millis) -> Content {
        self.orders += 1;
        let value = format!(
            r#"{{"eventType":"ORDERED","eventId":"00000000-0000-4000-8000-{:012}","orderId":"o","count":{count},"timestamp":"2026-01-01T00:00:00Z","metadata":{{"source":"t","version":"1.0"}}}}"#,
            self.orders
        );
        let timestamp = self.driver.clock.now() - age;
        Content { key: Some(b"o".to_vec()), value: Some(value.into_bytes()), headers: vec![], timestamp }
    }

    /// An order on partition 0.
    fn send(&mut self, count: i32, age: Millis) {
        let content = self.order(count, age);
        self.driver.cluster.append("orders", Some(0), content).unwrap();
    }

    /// The same from a producer with transactions.
    fn send_in_transaction(&mut self, writer: &mut dyn TopicWriter) {
        let Content { key, value, headers, timestamp } = self.order(1, 0);
        let record = NewRecord { topic: "orders".into(), partition: Some(0), key, value, headers, timestamp: Some(timestamp) };
        writer.transact(&[record]).unwrap();
    }

    fn work(&mut self) {
        self.driver.run_until_idle(&mut self.worker).unwrap();
    }

    /// Reports so many times, five seconds apart; what the last one says of partition 0.
    fn report(&mut self, turns: usize) -> LagReport {
        for _ in 0..turns {
            self.driver.clock.advance(std::time::Duration::from_secs(5));
            self.reporter.turn(self.driver.clock.now());
        }
        self.driver.board.lag().iter().find(|it| it.partition == 0).unwrap().clone()
    }

    /// What `goyt lag` shows.
    fn seen(&self, occupied: bool) -> Vec<TaskLag> {
        let now = self.driver.clock.now();
        let mut reader = self.access.reader("app").unwrap();
        let reports = reports(&mut *reader, "app", now - 15_000).unwrap();
        overview(&self.plan, &mut *reader, &reports, occupied, now).unwrap()
    }
}

#[test]
fn idle_input_of_a_transactional_producer_is_no_lag() {
    let mut shop = Shop::open();
    let mut writer = shop.access.writer(Some("orders")).unwrap();
    writer.init().unwrap();
    shop.send_in_transaction(&mut *writer);
    shop.send_in_transaction(&mut *writer);
    shop.work();
    let report = shop.report(WINDOW + 1);
    // Record, marker, record, marker: the last one is not for anybody to process, and is passed over.
    assert_eq!((report.position, report.committed, report.visible_end), (4, Some(4), 4));
    assert_eq!((report.records_behind, report.behind, report.status), (0, 0, LagStatus::Ok));
    shop.send_in_transaction(&mut *writer);
    assert_eq!(shop.report(1).records_behind, 2, "seen at once, though the worker has not come round: a record and its marker");
}

#[test]
fn seconds_behind_are_the_age_of_the_next_record() {
    let mut shop = Shop::open();
    shop.send(1, 60_000);
    shop.work();
    shop.send(1, 30_000);
    shop.send(1, 1_000);
    let before = shop.driver.clock.now();
    let report = shop.report(1);
    assert_eq!(report.behind, 30_000 + report.at - before);
    assert_eq!((report.position, report.committed, report.visible_end, report.records_behind), (1, Some(1), 3, 2));
    assert_eq!(shop.report(WINDOW).status, LagStatus::Stalled, "the worker does not come round");
    shop.work();
    let report = shop.report(1);
    assert_eq!((report.records_behind, report.behind, report.status), (0, 0, LagStatus::Ok));
}

#[test]
fn an_open_transaction_blocks() {
    let mut shop = Shop::open();
    shop.send(1, 0);
    shop.work();
    let identity = Identity { group: "other".into(), member: "other".into(), transactional_id: "other".into() };
    let mut other = MemoryLog::new(&shop.driver.cluster, identity, ["orders".to_owned()]);
    let at = TopicPartition { topic: TopicId(0), partition: 0 };
    let record = OutRecord {
        topic: at.topic,
        partition: Some(0),
        key: None,
        value: None,
        timestamp: NOW,
        headers: &[],
        cause: Cause::Input(at, 0),
        watched: false,
    };
    other.parts().producer.init().unwrap();
    other.parts().producer.begin().unwrap();
    other.parts().producer.send(&record).unwrap();
    assert_eq!(shop.report(WINDOW - 1).status, LagStatus::Ok, "every producer has one open for a while");
    let report = shop.report(1);
    assert_eq!((report.status, report.records_behind, report.visible_end), (LagStatus::Blocked, 0, 1));
}

#[test]
fn a_stopped_task_is_stopped_at_once() {
    let mut shop = Shop::open();
    shop.send(-1, 2_000);
    shop.send(1, 1_000);
    shop.work();
    let report = shop.report(1);
    assert_eq!((report.status, report.records_behind, report.position), (LagStatus::Stopped, 2, 0));
}

#[test]
fn reports_are_events_that_others_read() {
    let mut shop = Shop::open();
    shop.send(1, 2_000);
    let report = shop.report(1);
    let mut reader = shop.access.reader("nobody").unwrap();
    let found = reports(&mut *reader, "app", NOW).unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["shop.orders_0", "shop.orders_1"]);
    assert_eq!(found["shop.orders_0"], report);
    assert_eq!(reports(&mut *reader, "app", report.at + 1).unwrap(), [].into(), "only fresh ones");
    assert_eq!(reports(&mut *reader, "another", NOW).unwrap(), [].into());
    let records = shop.driver.cluster.read_all("app-lag").unwrap();
    assert_eq!(records[0].content.key.as_deref(), Some(&b"shop.orders_0"[..]));
    let seen = shop.seen(true);
    let seen: Vec<_> = seen.iter().map(|it| (it.partition, it.records_behind, it.status, it.instance.as_deref())).collect();
    assert_eq!(seen, [(0, 1, Some(LagStatus::Ok), Some("i1")), (1, 0, Some(LagStatus::Ok), Some("i1"))]);
}

#[test]
fn a_task_that_nobody_has_is_seen_by_what_the_group_committed() {
    let mut shop = Shop::open();
    shop.send(1, 0);
    shop.work();
    shop.report(1);
    shop.send(1, 0);
    shop.driver.clock.advance(std::time::Duration::from_secs(60));
    let seen = shop.seen(false);
    let both: Vec<_> = seen.iter().map(|it| (it.committed, it.records_behind, it.behind, it.status, it.instance.clone())).collect();
    let stopped = Some(LagStatus::Stopped);
    assert_eq!(both, [(Some(1), 1, Some(60_000), stopped, None), (None, 0, Some(0), stopped, None)], "reports of old don't count");
    assert_eq!(shop.seen(true)[0].status, None, "a member of the group may have it");
}

#[test]
fn an_instance_that_leaves_says_so() {
    let mut shop = Shop::open();
    shop.send(1, 0);
    shop.report(1);
    shop.work();
    let now = shop.driver.clock.now();
    shop.reporter.leave(now);
    assert_eq!(shop.driver.board.lag().len(), 0);
    let task = &shop.seen(true)[0];
    assert_eq!((task.status, task.instance.as_deref()), (Some(LagStatus::Stopped), Some("i1")));
    assert_eq!((task.committed, task.records_behind), (Some(1), 0), "what it committed after its last report counts");
}

#[test]
fn an_instance_that_leaves_says_so_too_when_its_workers_were_gone_at_the_last_look() {
    let mut shop = Shop::open();
    shop.send(1, 0);
    shop.work();
    shop.report(1);
    assert!(shop.worker.stop());
    let now = shop.driver.clock.now();
    shop.reporter.turn(now);
    assert_eq!(shop.driver.board.lag().len(), 0);
    shop.reporter.leave(now);
    let task = &shop.seen(true)[0];
    assert_eq!((task.status, task.instance.as_deref()), (Some(LagStatus::Stopped), Some("i1")));
}

#[test]
fn without_its_topic_the_board_is_told_all_the_same() {
    let mut shop = Shop::open();
    shop.driver.cluster.delete_topic("app-lag");
    shop.send(1, 0);
    assert_eq!(shop.report(2).records_behind, 1);
    assert_eq!(shop.seen(true)[0].status, None);
    shop.driver.cluster.create_topic("app-lag", 1);
    shop.report(1);
    assert_eq!(shop.seen(true)[0].status, Some(LagStatus::Ok), "it goes on when it can");
}
