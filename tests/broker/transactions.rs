//! The reader that judges all else: it sees what was committed and nothing else.

use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::support::{broker, reader, stage, wait};

/// Of a transaction that is aborted, no reader of committed records ever sees anything.
#[test]
fn an_aborted_transaction_is_seen_by_nobody() {
    let topic = stage::unique("aborted");
    stage::create_topic(&topic, 1, &[]);
    let producer: BaseProducer = broker::client().set("transactional.id", &topic).create().expect("a producer");
    producer.init_transactions(wait::LONG).expect("a transactional producer");
    let transaction = |text: &str| {
        producer.begin_transaction().expect("a transaction");
        producer.send(BaseRecord::to(&topic).key("key").payload(text)).map_err(|(error, _)| error).expect("a record");
        producer.flush(wait::LONG).expect("the record is written");
    };
    transaction("given up");
    producer.abort_transaction(wait::LONG).expect("an abort");
    transaction("kept");
    producer.commit_transaction(wait::LONG).expect("a commit");

    let values: Vec<_> = reader::read_all(&topic).into_iter().filter_map(|it| it.value).collect();
    assert_eq!(values, [b"kept"]);
    let written = reader::ends(&topic, "read_uncommitted");
    assert_eq!(written, [4], "two records and two markers");
    drop(broker::block_on(broker::admin().delete_topics(&[&topic], &broker::admin_options())));
}
