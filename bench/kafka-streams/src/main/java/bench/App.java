package bench;

import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * The work of Goyt's topologies `transaction-balance` and `user-sessions`, written for Kafka Streams' Processor API as one would who knows
 * it: the topology is wired by hand, so that no record passes a step that does nothing.
 */
public final class App {
    private static final Serializer<byte[]> BYTES = Serdes.ByteArray().serializer();
    private static final Deserializer<byte[]> RAW = Serdes.ByteArray().deserializer();
    private static final byte[] SEEN = {1};

    /** Reads events, drops copies, and hands dead letters on. */
    private abstract static class Source extends ContextualProcessor<byte[], byte[], byte[], Object> {
        private final Event event = new Event();
        private final String store, letters;
        private KeyValueStore<byte[], byte[]> seen;

        Source(String store, String letters) {
            this.store = store;
            this.letters = letters;
        }

        @Override public void init(ProcessorContext<byte[], Object> context) {
            super.init(context);
            seen = context.getStateStore(store);
        }

        @Override public void process(Record<byte[], byte[]> record) {
            try {
                event.read(record.value());
                if (!check(event)) return;
                byte[] id = ByteBuffer.allocate(16).putLong(event.idHigh).putLong(event.idLow).array();
                if (seen.putIfAbsent(id, SEEN) == null) take(record, event);
            } catch (Event.Bad bad) {
                Record<byte[], Object> letter = new Record<>(record.key(), record.value(), record.timestamp(), record.headers());
                letter.headers().add("reason", bad.getMessage().getBytes(StandardCharsets.UTF_8));
                context().forward(letter, letters);
            }
        }

        /** Whether the event is one that is read. */
        abstract boolean check(Event event) throws Event.Bad;

        abstract void take(Record<byte[], byte[]> record, Event event);
    }

    private static final class Transactions extends Source {
        Transactions() {
            super("transactions-seen", "transaction-letters");
        }

        @Override boolean check(Event event) throws Event.Bad {
            if (!event.is(event.type, Event.COMPLETED)) return false;
            event.checkTransaction();
            return true;
        }

        @Override void take(Record<byte[], byte[]> record, Event it) {
            BigDecimal amount = new BigDecimal(new String(it.bytes, it.amount[0], it.amount[1] - it.amount[0], StandardCharsets.ISO_8859_1));
            byte[] currency = Arrays.copyOfRange(it.bytes, it.currency[0], it.currency[1]);
            byte[] timestamp = Arrays.copyOfRange(it.bytes, it.timestamp[0], it.timestamp[1]);
            if (it.from != 0) leg(record, it.from, new Leg(it.idHigh, it.idLow, it.transactionId, amount.negate(), currency, timestamp));
            if (it.to != 0) leg(record, it.to, new Leg(it.idHigh, it.idLow, it.transactionId, amount, currency, timestamp));
        }

        private void leg(Record<byte[], byte[]> record, long wallet, Leg leg) {
            context().forward(new Record<>(Event.ascii(Long.toString(wallet)), leg, record.timestamp()), "legs-out");
        }
    }

    private static final class Balances extends ContextualProcessor<byte[], Leg, byte[], byte[]> {
        private static final byte[] UPDATED = Event.ascii("{\"eventType\":\"BALANCE_UPDATED\",\"eventId\":\""),
            REQUESTED = Event.ascii("{\"eventType\":\"NOTIFICATION_REQUESTED\",\"eventId\":\""),
            WALLET = Event.ascii("\",\"walletId\":"), TRANSACTION = Event.ascii(",\"transactionId\":"), DELTA = Event.ascii(",\"delta\":\""),
            BALANCE = Event.ascii("\",\"balance\":\""), CURRENCY = Event.ascii("\",\"currency\":\""), SEQUENCE = Event.ascii("\",\"sequence\":"),
            TEMPLATE = Event.ascii("\",\"template\":\"transaction-completed\",\"walletId\":"), AMOUNT = Event.ascii(",\"amount\":\""),
            TIME = Event.ascii(",\"timestamp\":\""), QUOTED_TIME = Event.ascii("\",\"timestamp\":\""),
            END = Event.ascii("\",\"metadata\":{\"source\":\"transaction-balance\",\"version\":\"1.0\"}}");
        private final Writer out = new Writer();
        private KeyValueStore<byte[], Leg.Balance> balances;

        @Override public void init(ProcessorContext<byte[], byte[]> context) {
            super.init(context);
            balances = context.getStateStore("balances");
        }

        @Override public void process(Record<byte[], Leg> record) {
            byte[] wallet = record.key();
            Leg leg = record.value();
            Leg.Balance before = balances.get(wallet);
            Leg.Balance now = before == null ? new Leg.Balance(1, leg.delta()) : new Leg.Balance(before.sequence() + 1, before.sum().add(leg.delta()));
            balances.put(wallet, now);
            long id = 0;
            for (byte digit : wallet) id = id * 10 + digit - '0';
            out.begin().put(UPDATED).derivedId(leg.idHigh(), leg.idLow(), 'B', id).put(WALLET).put(wallet).put(TRANSACTION).number(leg.transactionId())
                .put(DELTA).ascii(leg.delta().toPlainString()).put(BALANCE).ascii(now.sum().toPlainString()).put(CURRENCY).put(leg.currency())
                .put(SEQUENCE).number(now.sequence()).put(TIME).put(leg.timestamp()).put(END);
            context().forward(new Record<>(wallet, out.end(), record.timestamp()), "balance-out");
            out.begin().put(REQUESTED).derivedId(leg.idHigh(), leg.idLow(), 'N', id).put(TEMPLATE).put(wallet).put(TRANSACTION).number(leg.transactionId())
                .put(AMOUNT).ascii(leg.delta().abs().toPlainString()).put(CURRENCY).put(leg.currency()).put(QUOTED_TIME).put(leg.timestamp()).put(END);
            context().forward(new Record<>(wallet, out.end(), record.timestamp()), "notification-out");
        }
    }

    private static final class Sessions extends Source {
        private static final byte[] COUNTED = Event.ascii("{\"eventType\":\"SESSION_COUNTED\",\"eventId\":\""), USER = Event.ascii("\",\"userId\":\""),
            LOGINS = Event.ascii("\",\"logins\":"), SESSIONS = Event.ascii(",\"sessions\":"), TIME = Event.ascii(",\"timestamp\":\""),
            END = Event.ascii("\",\"metadata\":{\"source\":\"user-sessions\",\"version\":\"1.0\"}}");
        private final Writer out = new Writer();
        private KeyValueStore<byte[], Leg.Count> counts;

        Sessions() {
            super("sessions-seen", "session-letters");
        }

        @Override public void init(ProcessorContext<byte[], Object> context) {
            super.init(context);
            counts = context.getStateStore("session-counts");
        }

        @Override boolean check(Event event) throws Event.Bad {
            if (!event.is(event.type, Event.LOGIN) && !event.is(event.type, Event.LOGOUT)) return false;
            event.need(event.userId, "userId");
            event.need(event.username, "username");
            return true;
        }

        @Override void take(Record<byte[], byte[]> record, Event it) {
            byte[] user = Arrays.copyOfRange(it.bytes, it.userId[0], it.userId[1]);
            Leg.Count before = counts.get(user);
            long login = it.is(it.type, Event.LOGIN) ? 1 : 0;
            Leg.Count now = before == null ? new Leg.Count(login, 1 - login) : new Leg.Count(before.logins() + login, before.sessions() + 1 - login);
            counts.put(user, now);
            out.begin().put(COUNTED).derivedId(it.idHigh, it.idLow, 'S', 0).put(USER).put(user).put(LOGINS).number(now.logins())
                .put(SESSIONS).number(now.sessions()).put(TIME).put(it.bytes, it.timestamp[0], it.timestamp[1]).put(END);
            context().forward(new Record<>(user, out.end(), record.timestamp()), "session-out");
        }
    }

    private static <V> StoreBuilder<KeyValueStore<byte[], V>> store(String name, Serde<V> values, boolean cached) {
        StoreBuilder<KeyValueStore<byte[], V>> it =
            Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(name), Serdes.ByteArray(), values).withLoggingEnabled(Map.of());
        return cached ? it.withCachingEnabled() : it.withCachingDisabled(); // an id is looked at once: a cache would only cost
    }

    private static Topology topology(String which) {
        Topology it = new Topology();
        if (which.equals("user-sessions")) {
            return it.addSource("users", RAW, RAW, "user-events")
                .addProcessor("sessions", Sessions::new, "users")
                .addStateStore(store("sessions-seen", Serdes.ByteArray(), false), "sessions")
                .addStateStore(store("session-counts", Leg.Count.SERDE, true), "sessions")
                .addSink("session-out", "session-events", BYTES, BYTES, "sessions")
                .addSink("session-letters", "user-events.dlq", BYTES, BYTES, "sessions");
        }
        // The repartition topic is made by bench.py beside the others, with as many partitions: the DSL would do no more.
        String legs = env("APP_ID") + "-legs";
        return it.addSource("transactions", RAW, RAW, "transaction-events")
            .addProcessor("split", Transactions::new, "transactions")
            .addStateStore(store("transactions-seen", Serdes.ByteArray(), false), "split")
            .addSink("legs-out", legs, BYTES, Leg.SERDE.serializer(), "split")
            .addSink("transaction-letters", "transaction-events.dlq", BYTES, BYTES, "split")
            .addSource("legs", RAW, Leg.SERDE.deserializer(), legs)
            .addProcessor("balance", Balances::new, "legs")
            .addStateStore(store("balances", Leg.Balance.SERDE, true), "balance")
            .addSink("balance-out", "balance-events", BYTES, BYTES, "balance")
            .addSink("notification-out", "notification-events", BYTES, BYTES, "balance");
    }

    private static Properties settings() {
        Properties it = new Properties();
        it.put(StreamsConfig.APPLICATION_ID_CONFIG, env("APP_ID"));
        it.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, env("KAFKA_BOOTSTRAP_SERVERS"));
        it.put(StreamsConfig.STATE_DIR_CONFIG, env("STATE_DIR"));
        it.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, env("COMMIT_INTERVAL_MS"));
        it.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), env("COMMIT_INTERVAL_MS")); // a commit flushes
        it.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        it.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, env("NUM_STREAM_THREADS"));
        it.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, "1");
        it.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, "67108864");
        it.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, "5000");
        it.put(StreamsConfig.ENABLE_METRICS_PUSH_CONFIG, "false");
        it.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), "262144");
        it.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        it.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), "67108864");
        it.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), "5000");
        it.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        it.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), "4194304");
        it.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.GROUP_INSTANCE_ID_CONFIG), "bench"); // a restart is no rebalance
        it.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG), "10000");
        it.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG), "500");
        return it;
    }

    private static String env(String name) {
        String value = System.getenv(name);
        if (value == null) throw new IllegalStateException(name + " is not set");
        return value;
    }

    /** Says when restoring begins and ends, in lines that bench.py reads. */
    private static final class Restoring implements StateRestoreListener {
        @Override public void onRestoreStart(TopicPartition partition, String store, long from, long to) {
            System.out.println("restoring " + System.currentTimeMillis() + " " + store + " " + (to - from));
        }

        @Override public void onBatchRestored(TopicPartition partition, String store, long to, long count) {}

        @Override public void onRestoreEnd(TopicPartition partition, String store, long count) {
            System.out.println("restored " + System.currentTimeMillis() + " " + store + " " + count);
        }
    }

    public static void main(String[] args) throws InterruptedException {
        KafkaStreams streams = new KafkaStreams(topology(env("TOPOLOGY")), settings());
        CountDownLatch ended = new CountDownLatch(1);
        streams.setGlobalStateRestoreListener(new Restoring());
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.ERROR) ended.countDown();
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(20))));
        streams.start();
        ended.await();
        Runtime.getRuntime().halt(1);
    }
}
