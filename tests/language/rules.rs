//! The rules of steps: what may stand where, and what is said where it may not.

use crate::{mistakes, with_steps};

/// Steps, one case after a line of `# what it shows`, and what is said of each.
fn told(cases: &str) -> String {
    let mut text = String::new();
    for case in cases.split("\n# ").filter(|it| !it.trim().is_empty()) {
        let (what, steps) = case.trim_start_matches(['#', ' ', '\n']).split_once('\n').unwrap();
        text.push_str(&format!("# {what}\n{}\n", mistakes(&with_steps(&format!("{steps}\n")))));
    }
    text
}

#[test]
fn what_was_tested_against_null_can_be_used() {
    insta::assert_snapshot!(told(
        r#"
# by a require
  - require: { id: r, that: event.fromWalletId != null, else: stop }
  - unique: { id: u, by: event.fromWalletId }
# by a filter, as part of a conjunction
  - filter:
      id: f
      that: |
        event.status == "x" && (event.fromWalletId != null && event.toWalletId != null)
  - unique: { id: u, by: [event.fromWalletId, event.toWalletId] }
# not by one side of an `||`
  - filter:
      id: f
      that: event.fromWalletId != null || event.toWalletId != null
  - unique: { id: u, by: event.fromWalletId }
# by both sides of an `||`
  - filter:
      id: f
      that: |
        event.fromWalletId != null && event.status == "x" || event.fromWalletId == 7
  - unique: { id: u, by: event.fromWalletId }
# by a leg's `when`, in that leg only
  - split:
      id: s
      as: leg
      into:
        - { when: event.fromWalletId != null, wallet: event.fromWalletId }
        - { when: event.toWalletId != null, wallet: event.toWalletId }
  - unique: { id: u, by: leg.wallet }
  - unique: { id: v, by: event.fromWalletId }
# by a case, and by the cases before it
  - branch:
      id: b
      cases:
        - when: event.fromWalletId == null
          steps: [{ unique: { id: u1, by: event.fromWalletId } }]
        - otherwise: [{ unique: { id: u2, by: event.fromWalletId } }]
# behind a `key` too
  - require: { id: r, that: event.fromWalletId != null, else: stop }
  - key: { id: k, by: event.fromWalletId }
  - unique: { id: u, by: event.fromWalletId }
# by `? :` and coalesce
  - let:
      id: l
      a: |
        event.fromWalletId == null ? 0 : event.fromWalletId
      b: |
        coalesce(event.toWalletId, 0)
  - unique: { id: u, by: [a, b] }
"#
    ));
}

#[test]
fn what_can_fail_says_what_becomes_of_the_record() {
    insta::assert_snapshot!(told(
        r#"
# a `let` must
  - let:
      id: l
      amount: |
        money(event.amount, event.currency)
# what can't fail must not
  - let: { id: l, next: event.transactionId + 1 else reject(NUMBER) }
# a `require` says it once
  - let: { id: l, twice: event.amount * 2 else reject(AMOUNT) }
  - require: { id: r, that: twice * 2 > 10.0, else: reject(AMOUNT) }
  - require: { id: q, that: twice > 10.0 else stop, else: reject(AMOUNT) }
# elsewhere it can't be
  - filter: { id: f, that: event.amount * 2 > 10.0 }
  - key: { id: k, by: string(event.amount * 2) else stop }
  - emit: { to: out, event: OUT@1, value: { a: event.amount + 1 } }
# behind a `key` nothing is rejected
  - key: { id: k, by: event.transactionId }
  - let: { id: l, a: event.amount * 2 else reject(AMOUNT), b: event.amount * 2, c: event.amount * 3 else stop }
  - require: { id: r, that: a > 0, else: reject(AMOUNT) }
  - require: { id: q, that: a > 0, else: stop }
  - dedup: { id: d, by: event.eventId, window: 1h }
  - dedup: { id: e, by: event.eventId, window: 1h, late: process }
# codes are codes
  - require: { id: r, that: event.amount > 0, else: reject(amount) }
  - require: { id: q, that: event.amount > 0, else: ignore }
  - require: { id: s, that: event.amount > 0 }
"#
    ));
}

#[test]
fn steps_fit_together() {
    insta::assert_snapshot!(told(
        r#"
# operators that are planned
  - window: { id: a }
  - lookup: { id: b }
  - saga: { id: c }
  - timer: { id: d }
  - journal: { id: e }
  - join: { id: f }
# nothing follows a branch
  - branch: { id: b, cases: [{ when: event.amount > 0, steps: [{ filter: { id: f, that: true } }] }] }
  - filter: { id: g, that: true }
# something follows a key
  - key: { id: k, by: event.transactionId }
# keys are of types that have one text
  - key: { id: k, by: event.amount }
  - unique: { id: u, by: event.fromWalletId }
# ids and names mean one thing
  - let: { id: l, total: event.transactionId, event: event.transactionId }
  - allot: { id: l, as: total }
  - split: { id: s, as: total, into: [{ a: 1 }] }
  - aggregate: { id: total, by: event.transactionId, init: { n: 0 }, update: { n: state.n + 1 } }
  - aggregate: { id: by-id, by: event.transactionId, init: { n: 0 }, update: { n: state.n + 1 } }
# legs are alike
  - split:
      id: s
      as: leg
      into:
        - { a: 1, b: event.fromWalletId, c: event.amount }
        - { a: "x", b: 7, c: 1 }
        - { a: 2, b: null, d: 3 }
  - unique: { id: u, by: leg.b }
# the state's types are those of `init`
  - aggregate: { id: sums, by: event.transactionId, init: { n: 0, sum: 0.0, last: null }, update: { n: state.sum, sum: state.sum + event.amount else stop, lst: 1 } }
  - unique: { id: u, by: sums.m }
# `each` has fields of its own, and its state is its own
  - aggregate:
      id: sums
      by: event.transactionId
      init: { n: 0 }
      update: { n: state.n + 1 }
      each: { by: event.amount, init: { n: 0, sum: 0.0 }, update: { n: 1, sum: state.sum + sums.n } }
  - aggregate: { id: more, by: event.transactionId, init: { n: 0 }, update: { n: state.m }, each: { init: { m: 0 }, update: { m: state.n }, of: 1 } }
  - unique: { id: u, by: [sums.n, more.m, more.o] }
# state is known in `update` only
  - aggregate: { id: sums, by: event.transactionId, init: { n: state.n }, update: { n: sums.n } }
# cases by event
  - branch:
      id: b
      cases:
        - { event: TRANSACTION_COMPLETED@1, steps: [{ filter: { id: f, that: true } }] }
        - { event: TRANSACTION_COMPLETED@1, steps: [{ filter: { id: g, that: true } }] }
        - { event: TRANSACTION_FAILED@1, steps: [{ filter: { id: h, that: true } }] }
        - otherwise: [{ filter: { id: i, that: true } }]
        - { when: true, steps: [{ filter: { id: j, that: true } }] }
# four splits
  - split: { id: s1, as: a, into: [{ x: 1 }] }
  - split: { id: s2, as: b, into: [{ x: 1 }] }
  - split: { id: s3, as: c, into: [{ x: 1 }] }
  - split: { id: s4, as: d, into: [{ x: 1 }] }
# keys of steps
  - filter: { id: f, tat: true }
  - filter: [1]
  - filter:
  - emit: { id: e, to: out, event: OUT@1, valeu: { a: 1 } }
  - { filter: { id: g, that: true }, emit: { to: out } }
  - {}
  - text
"#
    ));
}

#[test]
fn emitted_events_are_what_their_schema_says() {
    insta::assert_snapshot!(told(
        r#"
# fields
  - let:
      id: l
      amount: |
        money(event.amount, "EUR")
  - emit:
      to: balance-events
      event: BALANCE_UPDATED@1
      key: [event.transactionId, event.eventId]
      value:
        eventId: event.eventId
        walletId: event.fromWalletId
        transactionID: event.transactionId
        delta: amount
        balance: event.transactionId
        currency: "euro"
        sequence: 0
# objects
  - emit:
      to: wallet-events
      event: WALLET_CREATED@1
      value:
        walletId: 1
        customerId: "1"
        userId: event.transactionId
        currency: "EUR"
        status: "SLEEPING"
        limits: { daily: "1,5", monthly: { a: 1 }, yearly: 1 }
  - emit: { id: e, to: wallet-events, event: WALLET_CREATED@1, value: { limits: "none", status: [1] } }
# without a schema anything goes but money and lists
  - let:
      id: l
      amount: |
        money(event.amount, "EUR")
  - emit: { to: out, event: OUT@1, value: { a: event.fromWalletId, b: null, c: { d: "x" }, e: amount, f: [1] } }
# two steps that emit to one topic
  - emit: { to: out, event: OUT@1, value: { a: 1 } }
  - emit: { to: out, event: OUT@1, value: { a: 1 } }
# topics of the engine's own, and circles
  - emit: { id: a, to: transaction-events.dlq, event: OUT@1, value: { a: 1 } }
  - emit: { id: b, to: transaction-events, event: OUT@1, value: { a: 1 } }
  - emit: { id: c, to: a/b, event: OUT@1, value: { a: 1 } }
"#
    ));
}
