//! `load generate`: writes records of a load as fast as the broker takes them.

use std::time::{Duration, Instant};

use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::types::RDKafkaErrorCode;

use crate::clients::{self, REQUEST};
use crate::model::{Load, RECORDS_MAX, What};
use crate::options::Options;

const ROOM_WAIT: Duration = Duration::from_millis(10);

pub fn command(options: &Options) {
    let load = Load::new(options);
    let (from, to): (u64, u64) = (options.or("from", 0), options.need("to"));
    assert!(to <= RECORDS_MAX, "at most {RECORDS_MAX} records");
    let start = Instant::now();
    let (producer, topic) = (clients::producer("20"), load.input());
    let (mut key, mut value) = (Vec::new(), Vec::new());
    for number in from..to {
        load.write(number, &mut key, &mut value);
        send(&producer, &topic, &key, &value);
        if number % 1_000 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(REQUEST).expect("all records are written");
    let counts = counts(&load, from, to);
    println!(
        "{}",
        serde_json::json!({"records": to - from, "events": counts.0, "outputs": counts.1, "seconds": start.elapsed().as_secs_f64()})
    );
}

/// The events that take effect, and the outputs that each output topic has of them.
pub fn counts(load: &Load, from: u64, to: u64) -> (u64, u64) {
    let events = (from..to).filter(|it| load.what(*it) == What::Event);
    events.fold((0, 0), |(events, outputs), it| (events + 1, outputs + crate::verify::outputs_of(load, it)))
}

/// Queues a record; waits when the queue is full.
pub fn send(producer: &BaseProducer, topic: &str, key: &[u8], value: &[u8]) {
    let mut record = BaseRecord::to(topic).key(key).payload(value);
    loop {
        match producer.send(record) {
            Ok(()) => return,
            Err((error, back)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                record = back;
                producer.poll(ROOM_WAIT);
            }
            Err((error, _)) => panic!("send to {topic}: {error}"),
        }
    }
}
