//! What is seen of topics: how far they are committed, where they end, and how fast a bare client reads them.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;
use rdkafka::{Message as _, Offset};

use crate::clients;
use crate::options::Options;
use crate::topics;

/// `load watch`: a line with the sum of the last stable offsets at each move, until its input is closed.
pub fn watch(options: &Options) {
    let tick = Duration::from_millis(options.or("tick", 20));
    let (consumer, topics) = (clients::consumer(), options.list("topics"));
    let closed = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&closed);
    std::thread::spawn(move || {
        std::io::stdin().read_to_end(&mut Vec::new()).ok();
        told.store(true, Ordering::Relaxed);
    });
    if options.has("read") {
        return watch_records(&topics, &closed);
    }
    let (mut places, mut before) = (Vec::new(), None);
    while !closed.load(Ordering::Relaxed) {
        // A topic may come later: the application makes it.
        let of = |topic: &String| clients::partitions(&consumer, topic).into_iter().map(|it| (topic.clone(), it)).collect::<Vec<_>>();
        if !topics.iter().all(|topic| places.iter().any(|(it, _)| it == topic)) {
            places = topics.iter().flat_map(of).collect();
        }
        let sum: i64 = places.iter().map(|(topic, partition)| clients::bounds(&consumer, topic, *partition).1).sum();
        if before.replace(sum) != Some(sum) {
            println!("{sum}");
            std::io::stdout().flush().expect("standard output");
        }
        std::thread::sleep(tick);
    }
}

/// Counts the records that come from now on: a marker of an aborted transaction moves offsets, too, and is none.
fn watch_records(topics: &[String], closed: &AtomicBool) {
    let consumer = clients::consumer();
    let of = |topic: &String| clients::partitions(&consumer, topic).into_iter().map(|it| (topic.clone(), it)).collect::<Vec<_>>();
    let places = topics.iter().flat_map(of);
    let starts: Vec<_> = places.map(|(topic, it)| (topic.clone(), it, Offset::Offset(clients::bounds(&consumer, &topic, it).1))).collect();
    clients::assign(&consumer, &starts);
    let (mut count, mut told) = (0_u64, None);
    while !closed.load(Ordering::Relaxed) {
        if told.replace(count) != Some(count) {
            println!("{count}");
            std::io::stdout().flush().expect("standard output");
        }
        let until = Instant::now() + Duration::from_millis(5);
        while Instant::now() < until {
            if let Some(Ok(_)) = consumer.poll(Duration::from_millis(5)) {
                count += 1;
            }
        }
    }
}

/// `load ends`: the records that each topic ever had, markers of transactions among them.
pub fn ends(_: &Options) {
    let consumer = clients::consumer();
    let of = |topic: &String| {
        let partitions = clients::partitions(&consumer, topic);
        partitions.iter().map(|it| clients::bounds(&consumer, topic, *it).1).sum::<i64>()
    };
    let ends: std::collections::BTreeMap<String, i64> = topics::all().into_iter().map(|it| (it.clone(), of(&it))).collect();
    println!("{}", serde_json::json!(ends));
}

/// `load consume`: reads topics to their ends, and does nothing with it.
pub fn consume(options: &Options) {
    let start = Instant::now();
    let (mut records, mut bytes) = (0_u64, 0_u64);
    read(&options.list("topics"), |_, _, key, value| {
        records += 1;
        bytes += (key.unwrap_or_default().len() + value.unwrap_or_default().len()) as u64;
    });
    println!("{}", serde_json::json!({"records": records, "bytes": bytes, "seconds": start.elapsed().as_secs_f64()}));
}

/// What takes a record: partition, offset, key, value.
type Take<'a> = dyn FnMut(i32, i64, Option<&[u8]>, Option<&[u8]>) + 'a;

/// Reads all committed records of topics; a topic that does not exist has none.
pub fn read(topics: &[String], mut take: impl FnMut(i32, i64, Option<&[u8]>, Option<&[u8]>)) {
    let take: &mut Take<'_> = &mut take;
    let consumer = clients::consumer();
    let of = |topic: &String| clients::partitions(&consumer, topic).into_iter().map(|it| (topic.clone(), it, Offset::Beginning)).collect();
    let starts: Vec<_> = topics.iter().flat_map(|it| -> Vec<_> { of(it) }).collect();
    clients::assign(&consumer, &starts);
    let mut open = starts.len();
    let until = Instant::now() + Duration::from_secs(600);
    while 0 < open {
        assert!(Instant::now() < until, "{topics:?} could not be read to their ends");
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(it)) => take(it.partition(), it.offset(), it.key(), it.payload()),
            // Nobody writes any more: an end is told once.
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => panic!("{topics:?}: {error}"),
            None => {}
        }
    }
}
