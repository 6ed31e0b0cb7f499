//! The Kafka that the tests run on, and clients for it.

use std::future::Future;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;

/// Where it is. `make test` starts one and sets the variable.
pub fn bootstrap() -> String {
    std::env::var("KAFKA_BOOTSTRAP_SERVERS").unwrap_or_else(|_| {
        panic!(
            "these tests need a Kafka: `make test` brings its own; for one test: \
             scripts/kafka.sh run cargo test --release --test broker NAME; or set KAFKA_BOOTSTRAP_SERVERS"
        )
    })
}

/// The address that it names itself by.
pub fn advertised() -> (String, u16) {
    let client: rdkafka::consumer::BaseConsumer = client().create().expect("a consumer");
    let metadata = rdkafka::consumer::Consumer::fetch_metadata(&client, None, super::wait::LONG).expect("metadata");
    let first = metadata.brokers().first().expect("a broker");
    (first.host().to_owned(), u16::try_from(first.port()).expect("a port"))
}

/// A client's properties to begin with.
pub fn client() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap()).set("log_level", "3");
    config
}

pub fn admin() -> AdminClient<DefaultClientContext> {
    client().create().expect("an admin client")
}

pub fn admin_options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(super::wait::LONG)).request_timeout(Some(super::wait::LONG))
}

/// Runs one request of an admin client to its end.
pub fn block_on<T>(request: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(request)
}
