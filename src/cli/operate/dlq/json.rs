//! Dead letters for programs: nothing is lost, bytes that are no text are base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::time;
use crate::runtime::operations::dead_letters::letter::{Letter, Origin};
use crate::runtime::operations::dead_letters::rehearsal::{Outlook, Would};

/// A dead letter.
pub(super) fn letter(it: &Letter) -> Value {
    let origin = |it: &Origin| json!({ "topic": it.topic, "partition": it.partition, "offset": it.offset });
    let headers: Vec<Value> = it.headers.iter().map(|(name, value)| json!({ "name": name, "value": bytes(value.as_deref()) })).collect();
    let mark = it.mark.as_ref().map(|mark| {
        json!({ "action": mark.action.done(), "at": time(Some(mark.at)), "by": &*mark.by, "reason": &*mark.why, "batch": &*mark.batch })
    });
    json!({
        "id": it.id.to_string(), "timestamp": it.timestamp, "origin": it.origin.as_ref().map(origin),
        "reason": it.reason, "message": it.message, "path": it.path, "topology": it.topology, "step": it.step,
        "redrives": it.redrives, "key": bytes(it.key.as_deref()), "value": bytes(it.value.as_deref()), "headers": headers,
        "valueLeftOut": it.left_out.as_ref().map(|it| json!({ "bytes": it.bytes, "sha1": it.sha1 })),
        "done": mark,
    })
}

/// `{"text": …}`, or `{"base64": …}` for bytes that are no UTF-8; null for none.
fn bytes(it: Option<&[u8]>) -> Value {
    it.map_or(Value::Null, |it| match std::str::from_utf8(it) {
        Ok(text) => json!({ "text": text }),
        Err(_) => json!({ "base64": STANDARD.encode(it) }),
    })
}

/// What would become of it now.
pub(super) fn outlook(it: &Outlook) -> Value {
    let verdicts = it.verdicts.iter().map(|it| {
        let (reason, step, path, message) = match &it.would {
            Would::Fail(failure) => (Some(failure.code.as_ref()), failure.step.as_deref(), Some(&*failure.path), Some(&*failure.message)),
            Would::Nothing(why) => (None, None, None, Some(*why)),
            Would::Stop(why) => (None, None, None, Some(&**why)),
            Would::Pass(_) => (None, None, None, None),
        };
        json!({
            "topology": it.topology, "would": it.would.name(), "reason": reason, "step": step, "path": path, "message": message,
            "note": it.note,
        })
    });
    verdicts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_apart_and_none_are_lost() {
        let cases: [(Option<&[u8]>, &str); 4] = [
            (None, "null"),
            (Some(b""), r#"{"text":""}"#),
            (Some("a\"\u{e9}\n".as_bytes()), r#"{"text":"a\"é\n"}"#),
            (Some(&[0xff, 0x00, 0x7f]), r#"{"base64":"/wB/"}"#),
        ];
        for (it, expected) in cases {
            assert_eq!(bytes(it).to_string(), expected);
        }
    }
}
