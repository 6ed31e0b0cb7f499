//! Good, bad and repeated records that come at an even pace until they are ended.

use std::collections::BTreeMap;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::platform::{Load, Platform};
use super::reader::Counter;
use super::stage::{Feed, Stage};

/// See the module.
pub struct Traffic {
    stop: Sender<()>,
    sender: JoinHandle<(Platform, usize)>,
}

impl Traffic {
    /// Records in one go, and the time from one go to the next: 2,000 a second.
    const GO: Load = Load { users: 10, decisions: 10, transactions: 80, copies: 50, bad: 20 };
    const PACE: Duration = Duration::from_millis(50);

    pub fn start(stage: &Stage, mut platform: Platform) -> Self {
        let topics = ["user-events", "kyc-events", "transaction-events"].map(|it| (it, stage.topic(it)));
        let topics = BTreeMap::from(topics);
        let (stop, stopped) = channel();
        let sender = std::thread::spawn(move || {
            let (mut feed, mut sent) = (Feed::new(), 0);
            while stopped.recv_timeout(Self::PACE) == Err(RecvTimeoutError::Timeout) {
                let events = platform.events(&Self::GO);
                for event in &events {
                    feed.send(&topics[event.topic], event);
                }
                sent += events.len();
            }
            feed.flush();
            (platform, sent)
        });
        Self { stop, sender }
    }

    /// Sends no more, and waits until all that was sent is processed. Returns what must have come of it, and the number of records.
    pub fn end(self, stage: &Stage) -> (Platform, usize) {
        self.stop.send(()).expect("it sends still");
        let (platform, sent) = self.sender.join().expect("all was sent");
        wait_for_outputs(stage, &platform);
        (platform, sent)
    }
}

/// Waits until all that was sent so far is processed: as many records as it makes can be read.
pub fn wait_for_outputs(stage: &Stage, platform: &Platform) {
    let wanted: BTreeMap<String, usize> =
        platform.expected.counts().into_iter().map(|(topic, count)| (stage.topic(topic), count)).collect();
    Counter::new(wanted.keys()).wait_for(&wanted);
}
