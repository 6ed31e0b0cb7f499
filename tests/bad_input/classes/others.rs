//! Classes of bad topology files, expressions, stored bytes and requests.

use super::{Class, class};

/// A good topology, on which the classes are made.
pub const GOOD: &str = "topology: t
inputs:
  - topic: in
    events: [E@1]
steps:
  - filter: { id: f, that: event.n > 0 }
";

/// What becomes of a file: `plan`, or where its first mistake is and how that is told.
pub fn topologies() -> Vec<Class> {
    let with = |from: &str, to: &str| GOOD.replace(from, to);
    let steps = |count: usize| (0..count).map(|it| format!("  - filter: {{ id: f{it}, that: event.n > {it} }}\n")).collect::<String>();
    vec![
        class("the good file", GOOD, "plan"),
        class("empty", "", "1:1 the file is empty"),
        class("whitespace only", " \n\n  \n", "1:1 the file is empty"),
        class("comments only", "# nothing\n", "1:1 the file is empty"),
        class("NUL bytes", with("t\n", "t\0\n"), "1:12 this is not YAML: found unprintable character"),
        class("BOM", format!("\u{FEFF}{GOOD}"), "plan"),
        class("mixed line ends", GOOD.replacen('\n', "\r\n", 3), "plan"),
        class("old line ends", GOOD.replace('\n', "\r"), "plan"),
        class("tabs", GOOD.replace("    ", "\t"), "3:12 this is not YAML: while scanning a plain scalar, found a tab"),
        class(
            "truncated",
            &GOOD[..GOOD.len() - 4],
            "6:38 this is not YAML: while parsing a flow mapping, did not find expected ',' or '}'",
        ),
        class("trailing garbage", format!("{GOOD}]"), "7:1 this is not YAML: misplaced bracket"),
        class("duplicate keys", with("steps:", "topology: u\nsteps:"), "5:1 `topology` is repeated"),
        class("two documents", format!("{GOOD}---\n{GOOD}"), "8:1 a second document begins here"),
        class("non-string keys", with("topology: t", "[a]: b\n1: c\ntopology: t"), "1:1 a key must be a word"),
        class("100,000 brackets", format!("topology: {}", "[".repeat(100_000)), "1:266 this is not YAML: recursion limit exceeded"),
        class("100,000 braces", format!("topology: {}", "{a: ".repeat(100_000)), "1:264 nested more than 64 deep"),
        class("100,000 dashes", format!("topology: t\nsteps:\n{}", "- ".repeat(100_000)), "3:129 nested more than 64 deep"),
        class(
            "deep nesting by indentation",
            (0..1_000).map(|it| format!("{}a:\n", " ".repeat(it))).collect::<String>(),
            "65:65 nested more than 64 deep",
        ),
        class("an alias bomb", "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\ntopology: *c\n", "1:1 a topology file has no key `a`"),
        class("an anchor on itself", "topology: &a [*a]\n", "1:1 a topology file needs `inputs` and `steps`"),
        class(
            "a tag",
            with("topology: t", "topology: !!python/object t"),
            "1:11 `tag:yaml.org,2002:!python/object` is read as a YAML tag, and tags are not part of the language",
        ),
        class("a merge key", with("topology: t", "<<: { a: b }\ntopology: t"), "1:1 a topology file has no key `<<`"),
        class(
            "a very long key",
            format!("{}: 1\n{GOOD}", "k".repeat(100_000)),
            "1:100001 this is not YAML: mapping values are not allowed in this context",
        ),
        class("100,000 keys", (0..100_000).map(|it| format!("k{it}: 1\n")).collect::<String>(), "1:1 a topology file has no key `k0`"),
        class("2,000 steps", with("  - filter: { id: f, that: event.n > 0 }\n", &steps(2_000)), "plan"),
        class("1 MB + 1", format!("{GOOD}#{}", "x".repeat((1 << 20) - GOOD.len())), "1:1 the file is larger than 1048576 bytes"),
        class("1 MB", format!("{GOOD}#{}", "x".repeat((1 << 20) - GOOD.len() - 1)), "plan"),
        class("a value of no text", with("topology: t", "topology: 1e999"), "1:11 `1e999` is no name of a topology"),
        class("escapes in quotes", with("topology: t", r#"topology: "\x74""#), "plan"),
        class(
            "lone surrogates",
            with("topology: t", r#"topology: "\ud800""#),
            "1:11 this is not YAML: while parsing a quoted scalar, found invalid Unicode character escape code",
        ),
        class("right to left", with("topology: t", "topology: \u{202E}t"), "1:11 `\u{202E}t` is no name of a topology"),
        class("an expression without an end", with("event.n > 0", "event.n > ((((("), "6:43 a value is expected, not the end"),
        class("JSON", r#"{"topology": "t", "inputs": [{"topic": "in", "events": ["E@1"]}], "steps": []}"#, "1:76 there are no steps"),
    ]
}

/// What becomes of an expression: its type, or how its first problem is told.
pub fn expressions() -> Vec<Class> {
    vec![
        class("a good one", "int + 1 > 2 && string == 'a'", "bool"),
        class("empty", "", "an expression is missing"),
        class("whitespace only", " \t\n", "an expression is missing"),
        class("NUL", "int\0", "`\0` has no meaning in an expression"),
        class("BOM", "\u{FEFF}int", "`\u{FEFF}` has no meaning in an expression"),
        class("100,000 brackets", "(".repeat(100_000), "the expression is longer than 10000 bytes"),
        class("10,000 brackets", "(".repeat(10_000), "the expression is too deep"),
        class("99 brackets", format!("{}int{}", "(".repeat(99), ")".repeat(99)), "int"),
        class("100 minus signs", format!("{}int", "-".repeat(100)), "the expression is too deep"),
        class("200 sums", format!("int{}", "+1".repeat(200)), "int"),
        class("201 sums", format!("int{}", "+1".repeat(201)), "the expression is too long"),
        class("a long chain of choices", "bool ? 1 : ".repeat(90) + "2", "int"),
        class("a long chain of fields", format!("event{}", ".a".repeat(400)), "the expression is too long"),
        class("4,000 arguments", format!("size({})", "1,".repeat(4_000)), "a value is expected, not `)`"),
        class("the greatest i64", "9223372036854775807 + int", "int"),
        class("the greatest i64 + 1", "9223372036854775808", "`9223372036854775808` is too large for an int"),
        class("the least i64", "-9223372036854775808", "`9223372036854775808` is too large for an int"),
        class("26 digits", "999999999999999999.99999999 * decimal", "decimal"),
        class("40 digits", "9999999999999999999999999999999999999999.0", "`9999999999999999999999999999999999999999.0` is no number"),
        class("an exponent", "1e999", "`1e999` is no number"),
        class("NaN", "NaN", "`NaN` is unknown"),
        class("negative zero", "-0.0 * decimal else stop", "decimal"),
        class("a surrogate escape", r#""\ud83d""#, "an unknown escape"),
        class("an escaped NUL", r#""a\u0000" + string"#, "values of type string can't be added"),
        class("right to left", "\u{202E}int", "`\u{202E}` has no meaning in an expression"),
        class("a look-alike", "\u{456}nt", "`\u{456}` has no meaning in an expression"),
        class("an open quote", "\"int", "the text has no closing quote"),
        class("trailing garbage", "int)", "`)` is not expected here"),
        class("mixed line ends", "int\r\n+\r1\n", "int"),
        class("else alone", "else", "an expression is expected, not `else`"),
        class("null in a sum", "null + 1", "a value is needed, and this is null"),
        class("what is null", "maybe_int + 1", "this can be null, and a value is needed"),
        class("two currencies", "money + money else stop", "money"),
    ]
}

/// Stored bytes: nothing is said of what becomes of each; all must be refused, or be what they say.
pub fn stored() -> Vec<Class> {
    let endless = vec![0xFF; 40];
    vec![
        class("empty", "", ""),
        class("a length beyond all memory", &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F][..], ""),
        class("a length of 2^64", &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02][..], ""),
        class("a number without an end", endless, ""),
        class("128 bits", [&[0xFF; 18][..], &[0x03]].concat(), ""),
        class("129 bits", [&[0xFF; 18][..], &[0x07]].concat(), ""),
        class("an overlong zero", &[0x80, 0x00][..], ""),
        class("a text cut off", &[5, b'a', b'b'][..], ""),
        class("invalid UTF-8 in a text", &[2, 0xC0, 0xAF][..], ""),
        class("a boolean of 2", &[2][..], ""),
        class("an optional of 2", &[2, 1][..], ""),
        class("an optional of nothing", &[0][..], ""),
        class("29 decimals", &[29, 2][..], ""),
        class("255 decimals", &[255, 2][..], ""),
        class("97 bits of a decimal", [&[0][..], &[0xFF; 13], &[0x7F]].concat(), ""),
        class("negative zero", &[2, 1][..], ""),
        class("money of no currency", &[2, 20, 0, 0xFF, b'?'][..], ""),
        class("a key's escape cut off", b"a\0", ""),
        class("a key's unknown escape", b"a\0\x02", ""),
        class("a key's NUL", b"a\0\xFF\0\x01", ""),
        class("a key of invalid UTF-8", b"\xFF\0\x01", ""),
        class("the least time", [&[2][..], &[0; 8], b"id"].concat(), ""),
        class("the greatest time", [&[2][..], &[0xFF; 8], b"id"].concat(), ""),
        class("an index key cut off", &[2, 0, 0][..], ""),
        class("an id without a time", &[1, 7, 7, 7][..], ""),
        class("an id with a time", &[1, 7, 0x80, 0x04][..], ""),
        class("trailing garbage", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18][..], ""),
    ]
}

/// What becomes of a request: its status. The first line is method and target, the rest the body; `!`: all of it is sent as it stands.
pub fn requests() -> Vec<Class> {
    let get = |name: &str, target: &str, status: &str| class(name, format!("GET {target}"), status);
    let post = |name: &str, body: &str, status: &str| class(name, format!("POST /api/v1/dead-letters/discard\n{body}"), status);
    let raw = |name: &str, bytes: &str| class(name, format!("!{bytes}"), "");
    let long = "k".repeat(5_000);
    vec![
        get("a store's key", "/api/v1/stores/shop.sales/a/tea", "200"),
        get("a key with a slash in it", "/api/v1/stores/shop.sales/a/salt%2Ffine", "200"),
        get("no such key", "/api/v1/stores/shop.sales/zz/tea", "404"),
        get("an empty part of a key", "/api/v1/stores/shop.sales//", "404"),
        get("too many parts", "/api/v1/stores/shop.sales/a/b/c", "400"),
        get("too few parts", "/api/v1/stores/shop.sales/a", "400"),
        get("invalid UTF-8 in a key", "/api/v1/stores/shop.sales/%FF/tea", "400"),
        get("overlong UTF-8 in a key", "/api/v1/stores/shop.sales/%C0%AF/tea", "400"),
        get("a NUL in a key", "/api/v1/stores/shop.sales/%00/tea", "404"),
        get("an escape cut off", "/api/v1/stores/shop.sales/%/te%a", "404"),
        get("an escape with a sign", "/api/v1/stores/shop.sales/%+1/tea", "404"),
        get("an escaped escape", "/api/v1/stores/shop.sales/%2541/tea", "404"),
        get("a way out", "/api/v1/stores/../../../etc/passwd", "404"),
        get("a way out of the page", "/page/..%2F..%2FCargo.toml", "404"),
        get("a very long key", &format!("/api/v1/stores/shop.sales/{long}/tea"), "404"),
        get("a key that is no UUID", "/api/v1/stores/shop.dedup/x", "400"),
        get("a very long query", &format!("/api/v1/stores/shop.sales?prefix={long}"), "200"),
        get("an unknown query", "/api/v1/stores/shop.sales?x=1", "400"),
        get("a query twice", "/api/v1/stores/shop.sales?limit=1&limit=2", "400"),
        get("a limit of nothing", "/api/v1/stores/shop.sales?limit=0", "400"),
        get("a negative limit", "/api/v1/stores/shop.sales?limit=-1", "400"),
        get("a limit beyond 64 bits", "/api/v1/stores/shop.sales?limit=18446744073709551616", "400"),
        get("a limit that is NaN", "/api/v1/stores/shop.sales?limit=NaN", "400"),
        get("a place that nobody told", "/api/v1/stores/shop.sales?from=x", "400"),
        get("a place before the first", "/api/v1/stores/shop.sales?from=-2147483648:a%2Ftea", "400"),
        get("a place behind the last", "/api/v1/stores/shop.sales?from=2147483647:", "200"),
        get("the greatest time", "/api/v1/dead-letters?since=9223372036854775807", "200"),
        get("the least time", "/api/v1/dead-letters?until=-9223372036854775808", "200"),
        get("a time of no calendar", "/api/v1/dead-letters?since=2026-02-30T00:00:00Z", "400"),
        get("groups without a name", "/api/v1/dead-letters?group=,,", "400"),
        get("invalid UTF-8 in a query", "/api/v1/dead-letters?key=%FF", "200"),
        get("a target that is none", "nothing", "404"),
        get("a target of another server", "http://example.com/livez", "200"),
        class("a method that is none", "GÉT /livez", "400"),
        class("a method that is not taken", "BREW /livez", "405"),
        class("a head alone", "HEAD /livez", "200"),
        post("an empty body", "", "400"),
        post("no JSON", "{", "400"),
        post("trailing garbage in a body", "{\"ids\":[],\"reason\":\"r\"}x", "400"),
        post("duplicate keys in a body", "{\"ids\":[],\"ids\":[],\"reason\":\"r\"}", "400"),
        post("100,000 brackets in a body", &"[".repeat(100_000), "400"),
        post("lone surrogates in a body", "{\"ids\":[],\"reason\":\"\\ud800\"}", "400"),
        post("an id that is none", "{\"ids\":[\"x\"],\"reason\":\"r\"}", "400"),
        post("a number beyond 64 bits in a body", "{\"max\":1e999}", "400"),
        post("256 KiB + 1", &" ".repeat((256 << 10) + 1), "413"),
        raw("no request", "\0\0\0\0"),
        raw("two requests at once", "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\nGET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        raw("no host", "GET /livez HTTP/1.1\r\n\r\n"),
        raw("two lengths", "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx"),
        raw(
            "a length and chunks",
            "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        raw("a chunk beyond all memory", "POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n"),
        raw("a body cut off", "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nx"),
        raw("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        raw("TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}"),
    ]
}
