//! Notices that a request of a transaction may still be on its way when the transaction is over.
//!
//! librdkafka sends a request again when its answer doesn't come, with the same producer epoch. The first copy may then reach the
//! coordinator during the *next* transaction, and end part of it: an aborted record becomes visible, with no error anywhere. A new
//! client, with a new epoch, is safe from it. librdkafka does not tell of such retries other than in its log (`debug=eos,broker`), but
//! it writes the line before it sends the second copy, so the mark is set before the commit can return.

use std::sync::atomic::{AtomicBool, Ordering};

/// The mark of one client.
#[derive(Debug, Default)]
pub(super) struct LateRequests {
    possible: AtomicBool,
}

impl LateRequests {
    /// Whether a request may be late.
    pub(super) fn possible(&self) -> bool {
        self.possible.load(Ordering::Acquire)
    }

    /// Nothing is on its way: said when a transaction begins on a client that was not marked, or is new.
    pub(super) fn clear(&self) {
        self.possible.store(false, Ordering::Release);
    }

    /// Reads a line of the log, and marks it if need be.
    pub(super) fn read(&self, facility: &str, line: &str) {
        if tells_of_retry(facility, line) && !self.possible.swap(true, Ordering::AcqRel) {
            tracing::debug!(facility, "a request of the transaction may be late: {line}");
        }
    }
}

/// Whether a line says that an answer didn't come: a connection was lost, a request timed out, the coordinator changed, or ending the
/// transaction failed. (That the coordinator is asked for says nothing: the client does so without need once after it began.)
fn tells_of_retry(facility: &str, line: &str) -> bool {
    match facility {
        "FAIL" | "REQTMOUT" => true,
        "TXNCOORD" => line.contains("coordinator changed from"),
        "COORD" => line.contains("is now down"),
        "ENDTXN" => !line.contains("EndTxn returned NO_ERROR "),
        "ADDPARTS" | "ADDOFFSETS" => ["_TRANSPORT", "_TIMED_OUT", "REQUEST_TIMED_OUT"].iter().any(|it| line.contains(it)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_tell_of_a_retry() {
        #[rustfmt::skip]
        let table = [
            (true,  "ENDTXN", "[thrd:main]: EndTxn returned _TIMED_OUT in state CommittingTransaction (may_retry=true)"),
            (true,  "ENDTXN", "[thrd:main]: EndTxn returned _TRANSPORT in state CommittingTransaction (may_retry=true)"),
            (true,  "ENDTXN", "[thrd:main]: EndTxn returned _NO_ERROR_ in state CommittingTransaction (may_retry=true)"),
            (false, "ENDTXN", "[thrd:main]: EndTxn returned NO_ERROR in state CommittingTransaction (may_retry=true)"),
            (true,  "COORD", "[thrd:TxnCoordinator]: TxnCoordinator/1: Transaction coordinator is now down"),
            (false, "COORD", "[thrd:TxnCoordinator]: TxnCoordinator/1: Transaction coordinator is now up"),
            (true,  "TXNCOORD", "[thrd:main]: Transaction coordinator changed from localhost:9092/1 -> (none): EndTxn failed: Broker: Not coordinator"),
            (false, "TXNCOORD", "[thrd:main]: Querying for transaction coordinator: Coordinator query timer"),
            (true,  "FAIL", "[thrd:TxnCoordinator]: TxnCoordinator/1: Disconnected (after 3ms in state UP) (_TRANSPORT)"),
            (true,  "REQTMOUT", "[thrd:TxnCoordinator]: TxnCoordinator/1: Timed out EndTxnRequest in flight (after 2001ms, timeout #0)"),
            (true,  "ADDOFFSETS", "[thrd:main]: AddOffsetsToTxn response from localhost:9092/1: _TRANSPORT (Refresh,Retry)"),
            (false, "ADDOFFSETS", "[thrd:main]: AddOffsetsToTxn response from localhost:9092/1: NO_ERROR ()"),
            (false, "TXNSTATE", "[thrd:main]: Transaction state change InTransaction -> BeginCommit"),
            (false, "WAKEUP", "[thrd:main]: Wake-up sent to 2 broker threads in state >= INIT: begin transaction"),
        ];
        for (expected, facility, line) in table {
            assert_eq!(tells_of_retry(facility, line), expected, "{facility} {line}");
        }
    }
}
