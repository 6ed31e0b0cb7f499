package bench;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * An input event, read from its bytes in one pass: no tree, no strings but those that are needed, and what is needed stays a range of the
 * bytes. Objects of this class are used again for the next record.
 */
final class Event {
    /** Why a record can't be processed. Without a stack trace: it is thrown for records, not for mistakes. */
    static final class Bad extends Exception {
        Bad(String why) {
            super(why, null, false, false);
        }
    }

    private static final long ID_MAX = (1L << 53) - 1;
    private static final int DIGITS_MAX = 18, DECIMALS_MAX = 8;

    byte[] bytes;
    long idHigh, idLow, transactionId, from, to;
    /** Ranges of the bytes: start, end; start -1 where the field is missing. */
    final int[] type = new int[2], eventId = new int[2], timestamp = new int[2], amount = new int[2], currency = new int[2],
        transactionType = new int[2], status = new int[2], userId = new int[2], username = new int[2], source = new int[2],
        version = new int[2];
    private final int[][] texts = {type, eventId, timestamp, amount, currency, transactionType, status, userId, username, source, version};
    private final int[] name = new int[2];
    private boolean metadata;
    private int at;

    /** Reads the fields and checks the envelope. */
    void read(byte[] value) throws Bad {
        if (value == null) throw new Bad("no value");
        bytes = value;
        at = 0;
        transactionId = from = to = 0;
        metadata = false;
        for (int[] it : texts) it[0] = -1;
        try {
            space();
            object(true);
            space();
        } catch (ArrayIndexOutOfBoundsException x) {
            throw new Bad("not JSON: it ends early");
        }
        if (at != bytes.length) throw new Bad("not JSON: something follows");
        need(type, "eventType");
        need(eventId, "eventId");
        uuid();
        time();
        if (!metadata) throw new Bad("metadata is missing");
        need(source, "metadata.source");
        need(version, "metadata.version");
        if (version[1] - version[0] < 3 || bytes[version[0]] != '1' || bytes[version[0] + 1] != '.') throw new Bad("unknown version");
        digits(version[0] + 2, version[1], "metadata.version");
    }

    /** Checks what a completed transaction has; its amount in parts of 10^-decimals. */
    void checkTransaction() throws Bad {
        if (transactionId == 0) throw new Bad("transactionId is missing");
        need(status, "status");
        need(currency, "currency");
        if (currency[1] - currency[0] != 3) throw new Bad("currency is no ISO 4217 code");
        need(transactionType, "transactionType");
        boolean fits;
        if (is(transactionType, DEPOSIT)) fits = from == 0 && to != 0;
        else if (is(transactionType, WITHDRAWAL)) fits = from != 0 && to == 0;
        else if (is(transactionType, TRANSFER)) fits = from != 0 && to != 0 && from != to;
        else throw new Bad("unknown transactionType");
        if (!fits) throw new Bad("the wallets do not fit the transactionType");
        need(amount, "amount");
        int dot = amount[0];
        while (dot < amount[1] && bytes[dot] != '.') dot++;
        int whole = dot - amount[0], decimals = amount[1] - dot - 1;
        if (whole < 1 || DIGITS_MAX < whole || dot < amount[1] && (decimals < 1 || DECIMALS_MAX < decimals)) throw new Bad("amount is no decimal");
        digits(amount[0], dot, "amount");
        if (dot < amount[1]) digits(dot + 1, amount[1], "amount");
        boolean positive = false;
        for (int i = amount[0]; i < amount[1]; i++) positive |= '1' <= bytes[i] && bytes[i] <= '9';
        if (!positive) throw new Bad("amount is not positive");
    }

    static final byte[] COMPLETED = ascii("TRANSACTION_COMPLETED"), LOGIN = ascii("USER_LOGIN"), LOGOUT = ascii("USER_LOGOUT");
    private static final byte[] DEPOSIT = ascii("DEPOSIT"), WITHDRAWAL = ascii("WITHDRAWAL"), TRANSFER = ascii("TRANSFER");

    static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    boolean is(int[] range, byte[] text) {
        return Arrays.equals(bytes, range[0], range[1], text, 0, text.length);
    }

    void need(int[] range, String what) throws Bad {
        if (range[0] < 0 || range[0] == range[1]) throw new Bad(what + " is missing or no text");
    }

    private void object(boolean outer) throws Bad {
        expect('{');
        space();
        if (bytes[at] == '}') {
            at++;
            return;
        }
        while (true) {
            text(name);
            space();
            expect(':');
            space();
            if (outer) field();
            else if (named("source")) text(source);
            else if (named("version")) text(version);
            else skip();
            space();
            if (bytes[at] == '}') {
                at++;
                return;
            }
            expect(',');
            space();
        }
    }

    /** A field of the event. Chosen by the length of its name first. */
    private void field() throws Bad {
        switch (name[1] - name[0]) {
            case 6: if (named("amount")) { text(amount); return; } if (named("status")) { text(status); return; } if (named("userId")) { text(userId); return; } break;
            case 7: if (named("eventId")) { text(eventId); return; } break;
            case 8: if (named("currency")) { text(currency); return; } if (named("username")) { text(username); return; } if (named("metadata")) { metadata = true; object(false); return; } break;
            case 9: if (named("eventType")) { text(type); return; } if (named("timestamp")) { text(timestamp); return; } break;
            case 10: if (named("toWalletId")) { to = idOrNull(); return; } break;
            case 12: if (named("fromWalletId")) { from = idOrNull(); return; } break;
            case 13: if (named("transactionId")) { transactionId = id(); return; } break;
            case 15: if (named("transactionType")) { text(transactionType); return; } break;
            default: break;
        }
        skip();
    }

    private boolean named(String text) {
        if (name[1] - name[0] != text.length()) return false;
        for (int i = 0; i < text.length(); i++) if (bytes[name[0] + i] != text.charAt(i)) return false;
        return true;
    }

    /** Text without escapes, which the fields that are read never have; one that has is told as bad rather than read wrongly. */
    private void text(int[] range) throws Bad {
        expect('"');
        int start = at;
        byte b;
        while ((b = bytes[at]) != '"') {
            if (b == '\\' || 0 <= b && b < 0x20) throw new Bad("text with an escape or a control character");
            at++;
        }
        range[0] = start;
        range[1] = at++;
    }

    private long idOrNull() throws Bad {
        if (bytes[at] != 'n') return id();
        word("null");
        return 0;
    }

    private long id() throws Bad {
        long value = 0;
        int start = at;
        while ('0' <= bytes[at] && bytes[at] <= '9') {
            value = value * 10 + bytes[at++] - '0';
            if (ID_MAX < value) throw new Bad("an id is out of range");
        }
        if (at == start || value == 0 || bytes[at] == '.' || bytes[at] == 'e' || bytes[at] == 'E') throw new Bad("an id is no integer from 1 on");
        return value;
    }

    private void skip() throws Bad {
        switch (bytes[at]) {
            case '"':
                at++;
                while (bytes[at] != '"') at += bytes[at] == '\\' ? 2 : 1;
                at++;
                break;
            case '{':
            case '[':
                byte open = bytes[at++];
                byte close = (byte) (open == '{' ? '}' : ']');
                space();
                while (bytes[at] != close) {
                    skip();
                    space();
                    if (bytes[at] == ',' || bytes[at] == ':') {
                        at++;
                        space();
                    }
                }
                at++;
                break;
            case 't': word("true"); break;
            case 'f': word("false"); break;
            case 'n': word("null"); break;
            default:
                int start = at;
                while ("+-.0123456789eE".indexOf(bytes[at]) >= 0) at++;
                if (at == start) throw new Bad("not JSON");
        }
    }

    private void word(String text) throws Bad {
        for (int i = 0; i < text.length(); i++) expect(text.charAt(i));
    }

    private void expect(char c) throws Bad {
        if (bytes[at++] != c) throw new Bad("not JSON: no " + c);
    }

    private void space() {
        while (at < bytes.length && (bytes[at] == ' ' || bytes[at] == '\n' || bytes[at] == '\t' || bytes[at] == '\r')) at++;
    }

    private void uuid() throws Bad {
        if (eventId[1] - eventId[0] != 36) throw new Bad("eventId is no UUID");
        idHigh = idLow = 0;
        for (int i = 0, n = 0; i < 36; i++) {
            byte b = bytes[eventId[0] + i];
            if (i == 8 || i == 13 || i == 18 || i == 23) {
                if (b != '-') throw new Bad("eventId is no UUID");
                continue;
            }
            int digit = Character.digit(b, 16);
            if (digit < 0) throw new Bad("eventId is no UUID");
            if (n++ < 16) idHigh = idHigh << 4 | digit;
            else idLow = idLow << 4 | digit;
        }
    }

    private void time() throws Bad {
        need(timestamp, "timestamp");
        int start = timestamp[0], length = timestamp[1] - start;
        if (length < 20 || bytes[timestamp[1] - 1] != 'Z' || bytes[start + 4] != '-' || bytes[start + 7] != '-' || bytes[start + 10] != 'T'
            || bytes[start + 13] != ':' || bytes[start + 16] != ':') throw new Bad("timestamp is no time in UTC");
    }

    private void digits(int start, int end, String what) throws Bad {
        for (int i = start; i < end; i++) if (bytes[i] < '0' || '9' < bytes[i]) throw new Bad(what + " has something else than digits");
    }
}
