//! The table, as cases.

use super::*;

fn failure(code: Code) -> Failure {
    Failure { code: code as i32, text: String::new(), fatal: false, abortable: false, retriable: false }
}

#[test]
fn each_number_of_the_client_has_a_line() {
    let known: Vec<i32> = (-300..300).filter(|code| Code::try_from(*code).is_ok()).collect();
    let mut lines: Vec<i32> = ALL.iter().map(|code| *code as i32).collect();
    lines.sort_unstable();
    assert_eq!(lines, known);
}

#[test]
fn the_name_decides_and_the_flags_make_it_stronger() {
    use Code as C;
    use Reaction as R;
    //   error, plain, abortable, fatal
    let table = [
        (C::RD_KAFKA_RESP_ERR__TIMED_OUT, R::Retry, R::AbortAndRewind, R::Recycle),
        (C::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, R::Retry, R::AbortAndRewind, R::Recycle),
        (C::RD_KAFKA_RESP_ERR__INCONSISTENT, R::AbortAndRewind, R::AbortAndRewind, R::Recycle),
        (C::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, R::AbortAndRewind, R::AbortAndRewind, R::Recycle),
        (C::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, R::RefuseRecord, R::AbortAndRewind, R::Recycle),
        (C::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, R::RefuseRecord, R::AbortAndRewind, R::Recycle),
        (C::RD_KAFKA_RESP_ERR__FENCED, R::Recycle, R::Recycle, R::Recycle),
        (C::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, R::Recycle, R::Recycle, R::Recycle),
        (C::RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, R::Recycle, R::Recycle, R::Recycle),
        (C::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, R::LeaveTask, R::LeaveTask, R::LeaveTask),
        (C::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, R::LeaveTask, R::LeaveTask, R::LeaveTask),
        (C::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, R::Rejoin, R::Rejoin, R::Rejoin),
        (C::RD_KAFKA_RESP_ERR__AUTHENTICATION, R::Stop, R::Stop, R::Stop),
        (C::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, R::Stop, R::Stop, R::Stop),
        (C::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, R::Stop, R::Stop, R::Stop),
        (C::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, R::Stop, R::Stop, R::Stop),
    ];
    for (code, plain, abortable, fatal) in table {
        let found = [
            reaction(&failure(code)),
            reaction(&Failure { abortable: true, ..failure(code) }),
            reaction(&Failure { fatal: true, ..failure(code) }),
        ];
        assert_eq!(found, [plain, abortable, fatal], "{code:?}");
    }
}

#[test]
fn a_retriable_error_is_tried_again_whatever_its_name() {
    let failure = Failure { retriable: true, ..failure(Code::RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE) };
    assert_eq!(reaction(&failure), Reaction::Retry);
}

#[test]
fn a_number_that_the_client_does_not_know_recycles() {
    let failure = Failure { code: 120, text: "Transaction abortable".into(), fatal: false, abortable: false, retriable: false };
    let error = log_error(&failure, "commit the transaction");
    assert_eq!((error.code, error.reaction), ("UNKNOWN_TO_THIS_CLIENT", Reaction::Recycle));
    assert_eq!(error.to_string(), "commit the transaction: Transaction abortable");
}

#[test]
fn a_message_says_what_was_tried_why_it_failed_and_what_helps() {
    let code = Code::RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED;
    let error =
        log_error_at(&Failure { text: "SASL authentication failed.".into(), ..failure(code) }, "connect", Some("orders/3".into()), None);
    assert_eq!(error.code, "SASL_AUTHENTICATION_FAILED");
    assert_eq!(error.to_string(), "connect: SASL authentication failed; check sasl.username, sasl.password and sasl.mechanism (orders/3)");
}

#[test]
fn what_the_client_takes_for_a_truncated_log_is_read_anew_from_the_committed_offset() {
    let text = "Partition log truncation detected at offset 3156 (leader epoch 0): broker end offset is 3155. Reset to INVALID.";
    let truncated = Failure { text: text.to_owned(), ..failure(Code::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) };
    assert_eq!(reaction(&truncated), Reaction::AbortAndRewind);
}
