package bench;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;

/** Writes derived events: text that never changes is bytes already, and numbers are written without strings. One for each thread. */
final class Writer {
    private static final byte[] HEX = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);
    private final byte[] digits = new byte[20];
    private final byte[] name = new byte[25];
    private final MessageDigest hash;
    private byte[] buffer = new byte[1024];
    private int length;

    Writer() {
        try {
            hash = MessageDigest.getInstance("MD5"); // UUIDs of version 3
        } catch (NoSuchAlgorithmException x) {
            throw new IllegalStateException(x);
        }
    }

    Writer begin() {
        length = 0;
        return this;
    }

    byte[] end() {
        return Arrays.copyOf(buffer, length);
    }

    Writer put(byte[] bytes) {
        return put(bytes, 0, bytes.length);
    }

    Writer put(byte[] bytes, int start, int end) {
        room(end - start);
        System.arraycopy(bytes, start, buffer, length, end - start);
        length += end - start;
        return this;
    }

    Writer number(long value) {
        int at = digits.length;
        do {
            digits[--at] = (byte) ('0' + value % 10);
            value /= 10;
        } while (value != 0);
        return put(digits, at, digits.length);
    }

    @SuppressWarnings("deprecation") // for ASCII there is nothing faster
    Writer ascii(String text) {
        room(text.length());
        text.getBytes(0, text.length(), buffer, length);
        length += text.length();
        return this;
    }

    /** The name-based id of what comes of a cause: the same each time. */
    Writer derivedId(long causeHigh, long causeLow, char purpose, long of) {
        big(0, causeHigh);
        big(8, causeLow);
        name[16] = (byte) purpose;
        big(17, of);
        byte[] id = hash.digest(name);
        id[6] = (byte) (id[6] & 0x0f | 0x30);
        id[8] = (byte) (id[8] & 0x3f | 0x80);
        room(36);
        for (int i = 0; i < 16; i++) {
            if (i == 4 || i == 6 || i == 8 || i == 10) buffer[length++] = '-';
            buffer[length++] = HEX[id[i] >> 4 & 15];
            buffer[length++] = HEX[id[i] & 15];
        }
        return this;
    }

    private void big(int at, long value) {
        for (int i = 7; 0 <= i; i--, value >>>= 8) name[at + i] = (byte) value;
    }

    private void room(int more) {
        if (buffer.length < length + more) buffer = Arrays.copyOf(buffer, Math.max(buffer.length * 2, length + more));
    }
}
