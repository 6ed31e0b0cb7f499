//! A small application in memory, and a server that shows it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use goyt::adapters::http::view::View;
use goyt::adapters::http::{HttpError, HttpSettings, Server};
use goyt::adapters::memory::access::MemoryAccess;
use goyt::adapters::memory::driver::TopologyDriver;
use goyt::adapters::memory::partition::Content;
use goyt::engine::plan::Plan;
use goyt::engine::record::TopicPartition;
use goyt::engine::task::Outcomes;
use goyt::engine::topology::{Sources, plan};
use goyt::runtime::board::{Board, Picture, SourcePicture, TaskPicture, TopicCounts, Totals, Waiting};
use goyt::runtime::open_task::State;
use goyt::runtime::worker::Worker;

pub const NOW: i64 = 1_800_000_000_000;
pub const PARTITIONS: i32 = 3;
pub const TOKEN: &str = "0123456789abcdef";

const TOPOLOGY: &str = r#"topology: shop
description: Orders of a shop are summed up.
inputs:
  - topic: orders
    events: [ORDERED@1]
    dedup: { by: eventId, window: 1d }
steps:
  - require: { id: positive, that: event.pieces > 0, else: reject(PIECES) }
  - key: { id: by-shop, by: event.shop }
  - aggregate:
      id: sales
      by: [event.shop, event.article]
      init: { pieces: 0 }
      update: { pieces: state.pieces + event.pieces }
  - emit: { to: sold, event: SOLD@1, key: event.shop, value: { shop: event.shop, pieces: sales.pieces } }
"#;

const ORDERED: &str = r#"{ "type": "object", "required": ["shop", "article", "pieces"], "properties": {
  "shop": { "type": "string" }, "article": { "type": "string" }, "pieces": { "type": "integer", "minimum": -9, "maximum": 1000 } } }"#;
const SOLD: &str = r#"{ "type": "object", "required": ["shop", "pieces"], "properties": {
  "shop": { "type": "string" }, "pieces": { "type": "integer" } } }"#;

/// The application, its worker, and the server.
pub struct Site {
    pub driver: TopologyDriver,
    pub board: Arc<Board>,
    pub plan: Arc<Plan>,
    server: Server,
    _worker: Worker,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Status and body, to be compared as a whole.
    pub fn shown(&self) -> String {
        format!("{}\n{}", self.status, serde_json::to_string_pretty(&self.json()).unwrap())
    }
}

impl Site {
    /// On loopback, without a token.
    pub fn new() -> Self {
        Self::at("127.0.0.1:0", None)
    }

    pub fn at(address: &str, token: Option<&str>) -> Self {
        Self::try_at(address, token).unwrap()
    }

    pub fn try_at(address: &str, token: Option<&str>) -> Result<Self, HttpError> {
        let events = [("ORDERED@1.json", ORDERED), ("SOLD@1.json", SOLD)].map(|(name, text)| (name.to_owned(), text.to_owned()));
        let sources = Sources { topologies: vec![("shop.yaml".into(), TOPOLOGY.into())], events: events.to_vec() };
        let plan = Arc::new(plan("app", &sources).unwrap());
        let driver = TopologyDriver::new(Arc::clone(&plan), PARTITIONS, NOW);
        for (id, shop, article, pieces) in
            [(1, "a", "tea", 2), (2, "b", "tea", 5), (3, "a", "tea", 4), (4, "a", "salt/fine", 1), (5, "a", "tea", -1)]
        {
            driver.cluster.append("orders", None, order(id, shop, article, pieces)).unwrap();
        }
        let mut worker = driver.worker("w");
        worker.join().unwrap();
        driver.run_until_idle(&mut worker).unwrap();
        let board = Arc::new(Board::default());
        board.turn(0, NOW);
        let cluster = driver.cluster.clone();
        let view = View {
            plan: Arc::clone(&plan),
            partitions: Arc::new(OnceLock::from(vec![PARTITIONS; plan.topics.len()])),
            instance: "here".into(),
            workers: 1,
            board: Arc::clone(&board),
            access: Arc::new(MemoryAccess::new(&driver.cluster)),
            admin: Box::new(move || Ok(Box::new(cluster.clone()))),
            replication: -1,
            states: Arc::new(driver.stores.clone()),
            metrics: Box::new(|| "# HELP goyt_up 1\n".to_owned()),
            now: Arc::new(|| NOW),
            state_dir: None,
        };
        let server = Server::start(&HttpSettings { address: address.into(), token: token.map(str::to_owned) }, view)?;
        let site = Self { driver, board, plan, server, _worker: worker };
        site.board.put(site.picture(|_| true));
        Ok(site)
    }

    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.server.address().port()).into()
    }

    /// A worker with those of the tasks that are wanted.
    pub fn picture(&self, wanted: fn(&str) -> bool) -> Picture {
        let mut tasks = Vec::new();
        for (subtopology, part) in self.plan.subtopologies.iter().enumerate() {
            for partition in 0..PARTITIONS {
                tasks.push(TaskPicture {
                    id: format!("{}.{}_{partition}", part.topology, part.name),
                    subtopology,
                    source: TopicPartition { topic: part.source, partition },
                    state: State::Running,
                    restored: None,
                    outcomes: Outcomes { records_in: 5, processed: 2, passed_by: 0, filtered: 0, duplicate: 1, dead: 2 },
                    dead: BTreeMap::from([(("positive".to_owned(), "PIECES".to_owned()), 2)]),
                    ids_without_entries: Vec::new(),
                });
            }
        }
        tasks.retain(|it| wanted(&it.id));
        let counts = |n| TopicCounts { consumed_records: n, consumed_bytes: 10 * n, published_records: n + 1, published_bytes: 11 * n };
        Picture {
            worker: 0,
            at: NOW,
            assigned: true,
            sources: tasks.iter().map(|it| SourcePicture { partition: it.source, position: 7, committed: Some(5) }).collect(),
            tasks,
            totals: Totals { topics: (0..).zip(&self.plan.topics).map(|(n, _)| counts(n)).collect(), ..Totals::default() },
            waiting: Waiting::default(),
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], None)
    }

    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
        let mut request = ureq::http::Request::builder().method(method).uri(format!("http://{}{path}", self.address()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = agent.run(request.body(body.unwrap_or("").to_owned()).unwrap()).unwrap();
        let headers = response.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        Answer { status: response.status().as_u16(), headers, body: response.body_mut().read_to_string().unwrap() }
    }
}

fn order(id: u32, shop: &str, article: &str, pieces: i32) -> Content {
    let value = format!(
        r#"{{"eventType":"ORDERED","eventId":"00000000-0000-4000-8000-{id:012}","shop":"{shop}","article":"{article}","pieces":{pieces},"timestamp":"2026-01-01T00:00:00Z","metadata":{{"source":"t","version":"1.0"}}}}"#
    );
    Content { key: Some(shop.into()), value: Some(value.into_bytes()), headers: Vec::new(), timestamp: NOW }
}
