package bench;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/** One side of a transaction on its way to its wallet's partition: a small binary record, not JSON. */
record Leg(long idHigh, long idLow, long transactionId, BigDecimal delta, byte[] currency, byte[] timestamp) {
    static final Serde<Leg> SERDE = Serdes.serdeFrom((topic, it) -> it == null ? null : it.write(), (topic, it) -> it == null ? null : read(it));

    private byte[] write() {
        byte[] digits = delta.unscaledValue().toByteArray();
        return ByteBuffer.allocate(24 + 3 + 2 + digits.length + timestamp.length)
            .putLong(idHigh).putLong(idLow).putLong(transactionId)
            .put(currency)
            .put((byte) delta.scale()).put((byte) digits.length).put(digits)
            .put(timestamp)
            .array();
    }

    private static Leg read(byte[] bytes) {
        ByteBuffer from = ByteBuffer.wrap(bytes);
        long high = from.getLong(), low = from.getLong(), transaction = from.getLong();
        byte[] currency = Arrays.copyOfRange(bytes, 24, 27);
        int scale = bytes[27], digits = bytes[28];
        BigDecimal delta = new BigDecimal(new BigInteger(bytes, 29, digits), scale);
        return new Leg(high, low, transaction, delta, currency, Arrays.copyOfRange(bytes, 29 + digits, bytes.length));
    }

    /** What is known of a wallet: how many updates it had, and its sum. */
    record Balance(long sequence, BigDecimal sum) {
        static final Serde<Balance> SERDE = Serdes.serdeFrom((topic, it) -> it == null ? null : it.write(), (topic, it) -> it == null ? null : read(it));

        private byte[] write() {
            byte[] digits = sum.unscaledValue().toByteArray();
            return ByteBuffer.allocate(9 + digits.length).putLong(sequence).put((byte) sum.scale()).put(digits).array();
        }

        private static Balance read(byte[] bytes) {
            long sequence = ByteBuffer.wrap(bytes).getLong();
            return new Balance(sequence, new BigDecimal(new BigInteger(bytes, 9, bytes.length - 9), bytes[8]));
        }
    }

    /** How often a user came and went. */
    record Count(long logins, long sessions) {
        static final Serde<Count> SERDE = Serdes.serdeFrom(
            (topic, it) -> it == null ? null : ByteBuffer.allocate(16).putLong(it.logins).putLong(it.sessions).array(),
            (topic, it) -> it == null ? null : new Count(ByteBuffer.wrap(it).getLong(), ByteBuffer.wrap(it).getLong(8)));
    }
}
