//! `load pace`: an open loop. Records are sent when their time has come, whatever became of those before; latency is counted from that
//! time, not from when the sending succeeded, to a reader of committed records. So a worker that stands still can't hide it.

use std::io::Write as _;
use std::time::{Duration, Instant};

use rdkafka::Message as _;
use rdkafka::Offset;
use rdkafka::producer::Producer as _;

use crate::clients::{self, REQUEST};
use crate::model::Load;
use crate::options::Options;
use crate::{verify, writing};

/// How long the sender gathers records: a request each would measure the broker. The latencies contain it.
const LINGER_MS: &str = "5";
/// Nothing arrived for so long: the rest is missing.
const IDLE: Duration = Duration::from_secs(20);

pub fn command(options: &Options) {
    let load = Load::new(options);
    let (from, rate, seconds): (u64, f64, f64) = (options.or("from", 0), options.need("rate"), options.need("seconds"));
    let warm_up: f64 = options.or("warm-up", 3.0);
    let total = ((warm_up + seconds) * rate) as u64;
    let wanted: u64 = writing::counts(&load, from, from + total).1;

    let (consumer, topic) = (clients::consumer(), load.topic("balance-events"));
    let partitions = clients::partitions(&consumer, &topic);
    let starts: Vec<_> =
        partitions.iter().map(|it| (topic.clone(), *it, Offset::Offset(clients::bounds(&consumer, &topic, *it).1))).collect();
    clients::assign(&consumer, &starts);
    // Its connections are there before the first record is.
    let until = Instant::now() + Duration::from_secs(1);
    while Instant::now() < until {
        drop(consumer.poll(Duration::from_millis(50)));
    }
    let producer = clients::producer(LINGER_MS);
    producer.client().fetch_metadata(Some(&load.input()), REQUEST).expect("metadata");

    let start = Instant::now() + Duration::from_millis(100);
    let intended = |number: u64| start + Duration::from_secs_f64((number - from) as f64 / rate);
    let (mut latencies, mut late, mut seen) = (Vec::new(), Duration::ZERO, 0);
    std::thread::scope(|scope| {
        let (load, intended, late) = (&load, &intended, &mut late);
        scope.spawn(move || {
            let (mut key, mut value, topic) = (Vec::new(), Vec::new(), load.input());
            let mut told = false;
            for number in from..from + total {
                let due = intended(number);
                if let Some(wait) = due.checked_duration_since(Instant::now()) {
                    std::thread::sleep(wait);
                    producer.poll(Duration::ZERO);
                }
                if !told && (number - from) as f64 >= warm_up * rate {
                    told = true;
                    tell("begin");
                }
                *late = (*late).max(due.elapsed());
                load.write(number, &mut key, &mut value);
                writing::send(&producer, &topic, &key, &value);
            }
            producer.flush(REQUEST).expect("all records are written");
            tell("end");
        });
        let mut last = start;
        while seen < wanted && (last.elapsed() < IDLE || start.elapsed() < Duration::from_secs_f64(warm_up + seconds)) {
            let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
            let now = Instant::now();
            last = now;
            let Some(number) = message.payload().and_then(verify::transaction_of).filter(|it| (from..from + total).contains(it)) else {
                continue;
            };
            seen += 1;
            if (number - from) as f64 >= warm_up * rate {
                latencies.push(now.duration_since(intended(number)).as_secs_f64() * 1e3);
            }
        }
    });
    latencies.sort_by(f64::total_cmp);
    let at = |share: f64| latencies.get(((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1))).copied();
    // Enough of the distribution to draw it.
    let shares: Vec<f64> = (0..=100).map(|it| f64::from(it) / 100.0).chain([0.995, 0.999, 0.9995, 0.9999]).collect();
    let curve: Vec<_> = shares.iter().map(|it| (it, at(*it))).collect();
    println!(
        "{}",
        serde_json::json!({
            "complete": seen == wanted, "outputs": seen, "wanted": wanted, "records": total, "measured": latencies.len(),
            "sender_late_ms": late.as_secs_f64() * 1e3,
            "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "p999": at(0.999), "max": latencies.last(), "curve": curve,
        })
    );
}

fn tell(what: &str) {
    println!("{}", serde_json::json!({"mark": what}));
    std::io::stdout().flush().expect("standard output");
}
