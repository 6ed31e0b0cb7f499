//! Classes of bad records. What becomes of one: `out` (it is processed), `passed by`, or reason and path of its dead letter.

use super::{Class, class};

/// The largest record that a broker takes commonly, and the one in memory takes.
pub const RECORD_BYTES_MAX: usize = 1_000_000;
/// Where a class has its own event id.
const ID: &str = "00000000-0000-4000-8000-000000000000";

/// A good event, on which the classes are made.
pub fn good() -> String {
    format!(
        r#"{{"eventType":"E","eventId":"{ID}","n":3,"amount":"10.50","currency":"KES","text":"t","kind":"A","list":[1,{{}}],"timestamp":"2026-01-01T00:00:00Z","metadata":{{"source":"s","version":"1.0"}}}}"#
    )
}

/// The good event with an id of its own.
pub fn numbered(value: &[u8], number: usize) -> Vec<u8> {
    let Some(at) = value.windows(ID.len()).position(|it| it == ID.as_bytes()) else { return value.to_vec() };
    [&value[..at], format!("00000000-0000-4000-8000-{number:012}").as_bytes(), &value[at + ID.len()..]].concat()
}

fn with(from: &str, to: &str) -> String {
    let good = good();
    assert!(good.contains(from), "{from}");
    good.replace(from, to)
}

fn and(field: &str) -> String {
    with("\"n\":3,", &format!("\"n\":3,{field},"))
}

/// All classes of records.
pub fn all() -> Vec<Class> {
    let mut all = vec![class("the good event", good(), "out")];
    all.push(Class { name: "no value".into(), bytes: None, becomes: "NO_VALUE ".into() });
    all.extend(encodings());
    all.extend(shapes());
    all.extend(names());
    all.extend(depths());
    all.extend(numbers());
    all.extend(decimals());
    all.extend(texts());
    all.extend(envelopes());
    all.extend(sizes());
    all
}

fn encodings() -> Vec<Class> {
    let bytes = |name: &str, part: &[u8], becomes: &str| {
        let good = good();
        let (before, behind) = good.split_once("\"t\"").unwrap();
        class(name, [before.as_bytes(), b"\"", part, b"\"", behind.as_bytes()].concat(), becomes)
    };
    let utf16: Vec<u8> = good().encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        bytes("invalid UTF-8", b"\xFF", "INVALID_UTF8 "),
        bytes("overlong UTF-8", b"\xC0\xAF", "INVALID_UTF8 "),
        bytes("overlong NUL", b"\xC0\x80", "INVALID_UTF8 "),
        bytes("a surrogate in UTF-8", b"\xED\xA0\x80", "INVALID_UTF8 "),
        bytes("UTF-8 beyond U+10FFFF", b"\xF4\x90\x80\x80", "INVALID_UTF8 "),
        bytes("UTF-8 cut off", b"\xE2\x82", "INVALID_UTF8 "),
        bytes("Latin-1", b"caf\xE9", "INVALID_UTF8 "),
        class("UTF-16 with its BOM", [&[0xFF, 0xFE][..], &utf16].concat(), "INVALID_UTF8 "),
        class("UTF-16 without a BOM", "{\0\"\0a\0\"\0:\0\x31\0}\0", "NOT_JSON "),
        class("BOM", format!("\u{FEFF}{}", good()), "NOT_JSON "),
        bytes("BOM in a text", "\u{FEFF}".as_bytes(), "out"),
        class("gzip", &[0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3][..], "INVALID_UTF8 "),
        class("a schema registry's Avro", &[0, 0, 0, 0, 7, 2, 65][..], "NOT_JSON "),
        bytes("noncharacters", "\u{FFFF}\u{10FFFF}\u{FDD0}".as_bytes(), "out"),
    ]
}

fn shapes() -> Vec<Class> {
    let good = good;
    vec![
        class("empty", "", "NOT_JSON "),
        class("whitespace only", " \t\r\n ", "NOT_JSON "),
        class("NUL bytes only", "\0\0\0\0", "NOT_JSON "),
        class("NUL bytes behind", good() + "\0\0", "NOT_JSON "),
        class("truncated", &good()[..60], "NOT_JSON "),
        class("truncated in an escape", r#"{"eventType":"E","text":"\u00"#, "NOT_JSON "),
        class("truncated by one", &good()[..good().len() - 1], "NOT_JSON "),
        class("trailing garbage", good() + "x", "NOT_JSON "),
        class("trailing comma", with("\"1.0\"}}", "\"1.0\"},}"), "NOT_JSON "),
        class("two events", good() + &good(), "NOT_JSON "),
        class("two lines of JSON", good() + "\n" + &good(), "NOT_JSON "),
        class("an event in a list", format!("[{}]", good()), "NOT_AN_OBJECT "),
        class("an event in a string", serde_json::to_string(&good()).unwrap(), "NOT_AN_OBJECT "),
        class("null", "null", "NOT_AN_OBJECT "),
        class("a number", "7", "NOT_AN_OBJECT "),
        class("a number of any size alone", "1e999", "NOT_AN_OBJECT "),
        class("a lone surrogate alone", r#""\ud800""#, "NOT_AN_OBJECT "),
        class("an empty object", "{}", "MISSING_FIELD /eventType"),
        class("mixed line ends", good().replace(",\"", ",\r\n\t\"").replace("\":", "\" :\r \n"), "out"),
        class("whitespace that JSON has not", with("\"n\":3", "\"n\":\u{A0}3"), "NOT_JSON "),
        class("a vertical tab", with("\"n\":3", "\"n\":\u{B}3"), "NOT_JSON "),
        class("a comment", with("\"n\":3", "\"n\":3/* three */"), "NOT_JSON "),
        class("single quotes", good().replace('"', "'"), "NOT_JSON "),
        class("names without quotes", with("\"n\":3", "n:3"), "NOT_JSON "),
        class("non-string keys", with("\"n\":3", "3:3"), "NOT_JSON "),
        class("a list for a field", with("\"n\":3", "\"n\":[3]"), "WRONG_TYPE /n"),
        class("an object for a field", with("\"n\":3", "\"n\":{\"n\":3}"), "WRONG_TYPE /n"),
        class("a field for an object", and("\"inner\":3"), "WRONG_TYPE /inner"),
        class("a boolean in words", and("\"flag\":\"true\""), "WRONG_TYPE /flag"),
        class("a boolean of Python", and("\"flag\":True"), "NOT_JSON "),
        class("undefined", and("\"flag\":undefined"), "NOT_JSON "),
    ]
}

fn names() -> Vec<Class> {
    let many: String = (0..80_000).map(|it| format!("\"{it}\":1,")).collect();
    vec![
        class("duplicate keys", and("\"n\":3"), "DUPLICATE_FIELD /n"),
        class("duplicate keys, one escaped", and(r#""\u006e":4"#), "DUPLICATE_FIELD /n"),
        class("duplicate keys within", and(r#""inner":{"a":1,"a":1}"#), "DUPLICATE_FIELD /inner/a"),
        class("duplicate keys that nobody reads", and("\"x\":1,\"x\":2"), "out"),
        class("duplicate event types", and("\"eventType\":\"F\""), "DUPLICATE_FIELD /eventType"),
        class(
            "duplicate event types, the second one known",
            with("{\"eventType\":\"E\"", "{\"eventType\":\"F\",\"eventType\":\"E\""),
            "DUPLICATE_FIELD /eventType",
        ),
        class("duplicate metadata", and("\"metadata\":{\"source\":\"s\",\"version\":\"2.0\"}"), "DUPLICATE_FIELD /metadata"),
        class("unicode escapes of ASCII", with("\"n\":3", r#""\u006e":3"#).replace("\"E\"", r#""\u0045""#), "out"),
        class("a name in capitals", with("\"n\":3", "\"N\":3"), "MISSING_FIELD /n"),
        class("a name with a NUL behind", with("\"n\":3", r#""n\u0000":3"#), "MISSING_FIELD /n"),
        class("a name that looks alike", with("\"n\":3", "\"\u{578}\":3"), "MISSING_FIELD /n"),
        class("names of JavaScript", and(r#""__proto__":{"n":4},"constructor":1"#), "out"),
        class("an empty name", and("\"\":1"), "out"),
        class("a very long key", and(&format!("\"{}\":1", "k".repeat(100_000))), "out"),
        class("80,000 unknown fields", with("\"n\":3,", &format!("\"n\":3,{many}")), "out"),
        class("a name of half a character", and(r#""\ud800":1"#), "WRONG_FORMAT "),
        class("null where it may not be", with("\"n\":3", "\"n\":null"), "MISSING_FIELD /n"),
        class("null where it may be", and("\"wide\":null,\"flag\":null"), "out"),
        class("null for what may be left out", and("\"list2\":null,\"id\":null"), "MISSING_FIELD /id"),
    ]
}

fn depths() -> Vec<Class> {
    let deep = |count: usize| format!("{}1{}", "[".repeat(count), "]".repeat(count));
    let objects = |count: usize| format!("{}1{}", "{\"a\":".repeat(count), "}".repeat(count));
    let late = |text: String| text.replace("{\"eventType\":\"E\",", "{\"x\":1,\"eventType\":\"E\",");
    vec![
        class("100,000 brackets", and(&format!("\"x\":{}", deep(100_000))), "out"),
        class("100,000 brackets alone", deep(100_000), "NOT_AN_OBJECT "),
        class("100,000 brackets, none closed", "[".repeat(100_000), "NOT_JSON "),
        class("100,000 brackets in a field, none closed", format!("{{\"x\":{}", "[".repeat(100_000)), "NOT_JSON "),
        class("100,000 objects", and(&format!("\"x\":{}", objects(100_000))), "out"),
        class("100,000 brackets for a number", with("\"n\":3", &format!("\"n\":{}", deep(100_000))), "WRONG_TYPE /n"),
        class("100,000 brackets in a list", with("[1,{}]", &deep(100_000)), "out"),
        class("1,000 brackets in metadata", with("\"version\"", &format!("\"x\":{},\"version\"", deep(1_000))), "out"),
        class(
            "1,000 brackets in metadata, the type not first",
            late(with("\"version\"", &format!("\"x\":{},\"version\"", deep(1_000)))),
            "out",
        ),
        class("brackets that do not match", and("\"x\":[{]}"), "NOT_JSON "),
        class("deep nesting in strings", with("\"t\"", &format!("\"{}\"", "[{".repeat(10_000))), "out"),
    ]
}

fn numbers() -> Vec<Class> {
    let n = |name: &str, number: &str, becomes: &str| class(name, with("\"n\":3", &format!("\"n\":{number}")), becomes);
    let wide = |name: &str, number: &str, becomes: &str| class(name, and(&format!("\"wide\":{number}")), becomes);
    let any = |name: &str, number: &str, becomes: &str| class(name, and(&format!("\"x\":{number}")), becomes);
    vec![
        n("NaN", "NaN", "NOT_JSON "),
        n("Infinity", "-Infinity", "NOT_JSON "),
        n("1e999", "1e999", "OUT_OF_RANGE /n"),
        any("1e999 that nobody reads", "1e999", "out"),
        class(
            "1e999 in metadata, the type not first",
            with("\"version\"", "\"x\":1e999,\"version\"").replace("{\"eventType\":\"E\",", "{\"x\":1,\"eventType\":\"E\","),
            "out",
        ),
        class("1e999 in a list", with("[1,{}]", "[1e999]"), "out"),
        class("1e999 for a text", with("\"t\"", "1e999"), "WRONG_TYPE /text"),
        n("a huge exponent", "1e99999999999999999999", "OUT_OF_RANGE /n"),
        n("a huge negative exponent", "1e-99999999999999999999", "WRONG_TYPE /n"),
        any("a huge exponent that nobody reads", "-1e-99999999999999999999", "out"),
        n("a million digits' little brother", &"9".repeat(10_000), "OUT_OF_RANGE /n"),
        n("negative zero", "-0", "WRONG_TYPE /n"),
        n("negative zero with a fraction", "-0.0", "WRONG_TYPE /n"),
        n("a fraction of nothing", "3.0", "WRONG_TYPE /n"),
        n("an exponent of nothing", "3e0", "WRONG_TYPE /n"),
        n("leading zeros", "03", "NOT_JSON "),
        n("a plus", "+3", "NOT_JSON "),
        n("hexadecimal", "0x3", "NOT_JSON "),
        n("a dot without digits", "3.", "NOT_JSON "),
        n("a dot before the digits", ".3", "NOT_JSON "),
        n("a number in a string", "\"3\"", "WRONG_TYPE /n"),
        n("2^53 - 1", "9007199254740991", "out"),
        n("2^53", "9007199254740992", "OUT_OF_RANGE /n"),
        n("2^53 + 1", "9007199254740993", "OUT_OF_RANGE /n"),
        n("-(2^53 - 1)", "-9007199254740991", "out"),
        wide("the greatest i64", "9223372036854775807", "out"),
        wide("the greatest i64 + 1", "9223372036854775808", "OUT_OF_RANGE /wide"),
        wide("the least i64", "-9223372036854775808", "out"),
        wide("the least i64 - 1", "-9223372036854775809", "OUT_OF_RANGE /wide"),
        wide("2^64", "18446744073709551616", "OUT_OF_RANGE /wide"),
    ]
}

fn decimals() -> Vec<Class> {
    let amount = |name: &str, text: &str, becomes: &str| class(name, with("\"10.50\"", text), becomes);
    vec![
        amount("26 digits", "\"999999999999999999.99999999\"", "out"),
        amount("19 digits before the point", "\"1000000000000000000\"", "WRONG_FORMAT /amount"),
        amount("9 decimals", "\"1.000000001\"", "WRONG_FORMAT /amount"),
        amount("28 digits", &format!("\"{}\"", "9".repeat(28)), "WRONG_FORMAT /amount"),
        amount("29 digits", &format!("\"{}\"", "9".repeat(29)), "WRONG_FORMAT /amount"),
        amount("40 digits", &format!("\"{}.{}\"", "9".repeat(20), "9".repeat(20)), "WRONG_FORMAT /amount"),
        amount("an amount as a number", "10.50", "WRONG_TYPE /amount"),
        amount("an amount with an exponent", "\"1e3\"", "WRONG_FORMAT /amount"),
        amount("an amount that is NaN", "\"NaN\"", "WRONG_FORMAT /amount"),
        amount("an amount with a comma", "\"10,50\"", "WRONG_FORMAT /amount"),
        amount("an amount with a space", "\" 10.50\"", "WRONG_FORMAT /amount"),
        amount("an amount with a plus", "\"+10.50\"", "WRONG_FORMAT /amount"),
        amount("wide digits", "\"\u{FF11}\u{FF10}\"", "WRONG_FORMAT /amount"),
        amount("a minus of typographers", "\"\u{2212}1\"", "WRONG_FORMAT /amount"),
        amount("an empty amount", "\"\"", "WRONG_FORMAT /amount"),
        amount("a minus alone", "\"-\"", "WRONG_FORMAT /amount"),
        amount("negative zero in an amount", "\"-0.00\"", "out"),
        amount("a negative amount", "\"-0.01\"", "NEGATIVE "),
        amount("leading zeros in an amount", "\"000000000000000001.50\"", "out"),
        class("a currency in small letters", with("KES", "kes"), "WRONG_FORMAT /currency"),
        class("a currency that nobody has", with("KES", "QQQ"), "AMOUNT "),
    ]
}

fn texts() -> Vec<Class> {
    let text = |name: &str, json: &str, becomes: &str| class(name, with("\"t\"", &format!("\"{json}\"")), becomes);
    vec![
        text("surrogate escapes", r"\ud83d\udcb0", "out"),
        text("a lone surrogate", r"\ud800", "WRONG_FORMAT /text"),
        text("a lone low surrogate", r"\udc00", "WRONG_FORMAT /text"),
        text("surrogates the wrong way round", r"\udcb0\ud83d", "WRONG_FORMAT /text"),
        text("half of a surrogate pair at the end", r"t\ud83d", "WRONG_FORMAT /text"),
        class("a lone surrogate that nobody reads", and(r#""x":"\ud800""#), "out"),
        class("a lone surrogate in a list", with("[1,{}]", r#"["\ud800"]"#), "out"),
        class("a lone surrogate for a number", with("\"n\":3", r#""n":"\ud800""#), "WRONG_TYPE /n"),
        class("a lone surrogate in the event type", with("\"E\"", r#""\ud800""#), "WRONG_FORMAT /eventType"),
        text("an escaped NUL", r"a\u0000b", "out"),
        text("a NUL byte in a text", "a\0b", "NOT_JSON "),
        text("a line end in a text", "a\nb", "NOT_JSON "),
        text("an unknown escape", r"\x41", "NOT_JSON "),
        text("a short escape", r"\u41", "NOT_JSON "),
        text("an escape with a sign", r"\u+041", "NOT_JSON "),
        text("all escapes", r#"\"\\\/\b\f\n\r\t\u00e9"#, "out"),
        text("an empty text", "", "OUT_OF_RANGE /text"),
        text("right to left", "\u{202E}abc\u{202D}", "out"),
        text("many combining marks", &"e\u{301}\u{302}".repeat(1_000), "out"),
        text("a formula", "=1+1|' /C calc'!A0", "out"),
        text("a pipe, as parts of keys are joined by", "a|b", "out"),
        class("a value of no enum", with("\"A\"", "\"\u{410}\""), "OUT_OF_RANGE /kind"),
        class("an enum's value with a space", with("\"A\"", "\"A \""), "OUT_OF_RANGE /kind"),
    ]
}

fn envelopes() -> Vec<Class> {
    let time = |name: &str, text: &str, becomes: &str| class(name, with("2026-01-01T00:00:00Z", text), becomes);
    let version = |name: &str, text: &str, becomes: &str| class(name, with("\"1.0\"", &format!("\"{text}\"")), becomes);
    let id = |name: &str, text: &str, becomes: &str| class(name, with(ID, text), becomes);
    vec![
        class("another event", with("\"E\"", "\"F\""), "passed by"),
        class("another event, without an id", with("\"E\"", "\"F\"").replace("eventId", "id"), "MISSING_FIELD /eventId"),
        class("an event type of another type", with("\"E\"", "7"), "WRONG_TYPE /eventType"),
        time("30 February", "2026-02-30T00:00:00Z", "WRONG_FORMAT /timestamp"),
        time("hour 25", "2026-01-01T25:00:00Z", "WRONG_FORMAT /timestamp"),
        time("no zone", "2026-01-01T00:00:00", "WRONG_FORMAT /timestamp"),
        time("another zone", "2026-01-01T03:00:00+03:00", "WRONG_FORMAT /timestamp"),
        time("seconds since 1970", "1767225600", "WRONG_FORMAT /timestamp"),
        time("year 12026", "12026-01-01T00:00:00Z", "WRONG_FORMAT /timestamp"),
        time("40 decimals of a second", &format!("2026-01-01T00:00:00.{}Z", "9".repeat(40)), "WRONG_FORMAT /timestamp"),
        time("nanoseconds", "2026-01-01T00:00:00.123456789Z", "out"),
        version("no minor version", "1", "WRONG_FORMAT /metadata/version"),
        version("three versions", "1.0.0", "WRONG_FORMAT /metadata/version"),
        version("a negative version", "-1.0", "WRONG_FORMAT /metadata/version"),
        version("a version beyond 32 bits", "4294967297.0", "WRONG_FORMAT /metadata/version"),
        version("an unknown version", "3.0", "UNKNOWN_VERSION /metadata/version"),
        version("an unknown version, escaped", r"\u0033.0", "UNKNOWN_VERSION /metadata/version"),
        id("a UUID in braces", &format!("{{{ID}}}"), "WRONG_FORMAT /eventId"),
        id("a UUID as a URN", &format!("urn:uuid:{ID}"), "WRONG_FORMAT /eventId"),
        id("a UUID without hyphens", &ID.replace('-', ""), "WRONG_FORMAT /eventId"),
        id("a UUID in capitals", "ABCDEFAB-CDEF-4BCD-8BCD-ABCDEFABCDEF", "out"),
    ]
}

/// Sizes around what a broker takes: with the key and the header with the name, as the corpus is sent.
fn sizes() -> Vec<Class> {
    let sized = |name: &str, size: usize, becomes: &str| {
        let around = "k".len() + "class".len() + name.len() + and("\"x\":\"\"").len();
        class(name, and(&format!("\"x\":\"{}\"", "x".repeat(size - around))), becomes)
    };
    vec![
        sized("1 MB - 1", RECORD_BYTES_MAX - 1, "out"),
        sized("1 MB", RECORD_BYTES_MAX, "out"),
        sized("1 MB + 1", RECORD_BYTES_MAX + 1, "refused by the broker"),
        class("1 MB of a text that is sent on twice", with("\"t\"", &format!("\"{}\"", "t".repeat(900_000))), "REFUSED_OUTPUT "),
        class(
            "1 MB that is no event",
            with("\"n\":3", "\"n\":4.5").replace("\"t\"", &format!("\"{}\"", "t".repeat(999_000))),
            "WRONG_TYPE /n",
        ),
        class("1 MB of no JSON", " ".repeat(RECORD_BYTES_MAX - 100), "REFUSED_OUTPUT "),
    ]
}
