//! What tests of dead letters share.

use super::letter::{Letter, Origin};

/// A dead letter at `orders.dlq/0/<offset>`, of `orders/0/<offset · 10>`.
pub(super) fn letter(offset: i64) -> Letter {
    Letter {
        id: format!("orders.dlq/0/{offset}").parse().unwrap(),
        timestamp: Some(1_000),
        key: Some(b"k".to_vec()),
        value: Some(b"{}".to_vec()),
        headers: Vec::new(),
        origin: Some(Origin { topic: "orders".into(), partition: 0, offset: offset * 10 }),
        reason: "WRONG_TYPE".into(),
        message: "expected an integer".into(),
        path: "/n".into(),
        topology: "shop".into(),
        step: "decode".into(),
        redrives: 0,
        left_out: None,
        mark: None,
    }
}
