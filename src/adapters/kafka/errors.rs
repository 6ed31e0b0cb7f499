//! One reaction for each error of the client: the table that decides what is done about it. Nothing else decides that.

use rdkafka_sys::types::RDKafkaRespErr as Code;

use super::raw::Failure;
use crate::engine::record::TopicPartition;
use crate::runtime::ports::LogError;
use crate::runtime::reaction::Reaction;

/// The table: a line for each error, by its name without `RD_KAFKA_RESP_ERR_`. The match has no arm for "all others", so an error that a
/// new version of the client brings stops the build until someone has thought about it.
macro_rules! reactions {
    ($($reaction:ident: $($code:ident)*;)*) => {
        /// The error's name, and what is done about it.
        fn by_code(code: Code) -> (&'static str, Reaction) {
            match code {
                $($(Code::$code => (stringify!($code), Reaction::$reaction),)*)*
            }
        }
        /// All of them.
        #[cfg(test)]
        const ALL: &[Code] = &[$($(Code::$code,)*)*];
    };
}

reactions! {
    // The network, a leader or a coordinator is away or on the move; the client reconnects by itself.
    Retry:
        RD_KAFKA_RESP_ERR_NO_ERROR
        RD_KAFKA_RESP_ERR__TRANSPORT RD_KAFKA_RESP_ERR__RESOLVE RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN RD_KAFKA_RESP_ERR__TIMED_OUT
        RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE RD_KAFKA_RESP_ERR__MSG_TIMED_OUT RD_KAFKA_RESP_ERR__QUEUE_FULL RD_KAFKA_RESP_ERR__ISR_INSUFF
        RD_KAFKA_RESP_ERR__NODE_UPDATE RD_KAFKA_RESP_ERR__WAIT_COORD RD_KAFKA_RESP_ERR__IN_PROGRESS RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS
        RD_KAFKA_RESP_ERR__WAIT_CACHE RD_KAFKA_RESP_ERR__INTR RD_KAFKA_RESP_ERR__RETRY RD_KAFKA_RESP_ERR__UNKNOWN_BROKER
        RD_KAFKA_RESP_ERR__DESTROY_BROKER RD_KAFKA_RESP_ERR__PARTITION_EOF RD_KAFKA_RESP_ERR__NOOP RD_KAFKA_RESP_ERR__PARTIAL
        RD_KAFKA_RESP_ERR__NO_OFFSET RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS
        RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED RD_KAFKA_RESP_ERR__OUTDATED
        RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT
        RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE RD_KAFKA_RESP_ERR_STALE_CTRL_EPOCH
        RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE
        RD_KAFKA_RESP_ERR_NOT_COORDINATOR RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND
        RD_KAFKA_RESP_ERR_NOT_CONTROLLER RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS RD_KAFKA_RESP_ERR_OPERATION_NOT_ATTEMPTED
        RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR RD_KAFKA_RESP_ERR_REASSIGNMENT_IN_PROGRESS RD_KAFKA_RESP_ERR_FETCH_SESSION_ID_NOT_FOUND
        RD_KAFKA_RESP_ERR_INVALID_FETCH_SESSION_EPOCH RD_KAFKA_RESP_ERR_LISTENER_NOT_FOUND RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH
        RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH RD_KAFKA_RESP_ERR_STALE_BROKER_EPOCH RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE
        RD_KAFKA_RESP_ERR_MEMBER_ID_REQUIRED RD_KAFKA_RESP_ERR_PREFERRED_LEADER_NOT_AVAILABLE RD_KAFKA_RESP_ERR_ELIGIBLE_LEADERS_NOT_AVAILABLE
        RD_KAFKA_RESP_ERR_ELECTION_NOT_NEEDED RD_KAFKA_RESP_ERR_NO_REASSIGNMENT_IN_PROGRESS RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT
        RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED RD_KAFKA_RESP_ERR_UNRELEASED_INSTANCE_ID RD_KAFKA_RESP_ERR_UNKNOWN_SUBSCRIPTION_ID
        RD_KAFKA_RESP_ERR_TELEMETRY_TOO_LARGE RD_KAFKA_RESP_ERR_REBOOTSTRAP_REQUIRED RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP
        RD_KAFKA_RESP_ERR_GROUP_SUBSCRIBED_TO_TOPIC;
    // Something of this transaction failed; the producer is sound.
    AbortAndRewind:
        RD_KAFKA_RESP_ERR__PURGE_QUEUE RD_KAFKA_RESP_ERR__PURGE_INFLIGHT RD_KAFKA_RESP_ERR__INCONSISTENT
        RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE
        RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE RD_KAFKA_RESP_ERR_INVALID_MSG
        RD_KAFKA_RESP_ERR__LOG_TRUNCATION;
    // The producer's state is not the broker's any more. Twice in a row: another process has taken the transactional id.
    Recycle:
        RD_KAFKA_RESP_ERR__FATAL RD_KAFKA_RESP_ERR__FENCED RD_KAFKA_RESP_ERR__STATE RD_KAFKA_RESP_ERR__DESTROY RD_KAFKA_RESP_ERR__CONFLICT
        RD_KAFKA_RESP_ERR__FAIL RD_KAFKA_RESP_ERR__UNDERFLOW RD_KAFKA_RESP_ERR__BAD_MSG RD_KAFKA_RESP_ERR_UNKNOWN
        RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH
        RD_KAFKA_RESP_ERR_INVALID_TXN_STATE RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING RD_KAFKA_RESP_ERR_TRANSACTION_COORDINATOR_FENCED
        RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID RD_KAFKA_RESP_ERR_PRODUCER_FENCED;
    // The group has gone on without this member, or with another generation.
    LeaveTask:
        RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST
        RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID RD_KAFKA_RESP_ERR_FENCED_MEMBER_EPOCH
        RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH;
    // It is about one record, and will be the same however often it is sent.
    RefuseRecord:
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP
        RD_KAFKA_RESP_ERR_INVALID_RECORD RD_KAFKA_RESP_ERR__KEY_SERIALIZATION RD_KAFKA_RESP_ERR__VALUE_SERIALIZATION;
    // The member's static name has a newer holder.
    Rejoin:
        RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
    // Rights, settings, topics, positions, versions: for people.
    Stop:
        RD_KAFKA_RESP_ERR__BEGIN RD_KAFKA_RESP_ERR__END RD_KAFKA_RESP_ERR_END_ALL
        RD_KAFKA_RESP_ERR__BAD_COMPRESSION RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION RD_KAFKA_RESP_ERR__FS
        RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC RD_KAFKA_RESP_ERR__INVALID_ARG RD_KAFKA_RESP_ERR__SSL RD_KAFKA_RESP_ERR__UNKNOWN_GROUP
        RD_KAFKA_RESP_ERR__EXISTING_SUBSCRIPTION RD_KAFKA_RESP_ERR__UNKNOWN_PROTOCOL RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED
        RD_KAFKA_RESP_ERR__AUTHENTICATION RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE RD_KAFKA_RESP_ERR__KEY_DESERIALIZATION
        RD_KAFKA_RESP_ERR__VALUE_DESERIALIZATION RD_KAFKA_RESP_ERR__READ_ONLY RD_KAFKA_RESP_ERR__NOENT RD_KAFKA_RESP_ERR__INVALID_TYPE
        RD_KAFKA_RESP_ERR__NOT_CONFIGURED RD_KAFKA_RESP_ERR__APPLICATION RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET
        RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE
        RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL
        RD_KAFKA_RESP_ERR_INVALID_GROUP_ID RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED
        RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE
        RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS RD_KAFKA_RESP_ERR_INVALID_PARTITIONS
        RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR RD_KAFKA_RESP_ERR_INVALID_REPLICA_ASSIGNMENT RD_KAFKA_RESP_ERR_INVALID_CONFIG
        RD_KAFKA_RESP_ERR_INVALID_REQUEST RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT RD_KAFKA_RESP_ERR_POLICY_VIOLATION
        RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        RD_KAFKA_RESP_ERR_SECURITY_DISABLED RD_KAFKA_RESP_ERR_LOG_DIR_NOT_FOUND RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED
        RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_AUTH_DISABLED RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_NOT_FOUND
        RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_OWNER_MISMATCH RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED
        RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_AUTHORIZATION_FAILED RD_KAFKA_RESP_ERR_DELEGATION_TOKEN_EXPIRED
        RD_KAFKA_RESP_ERR_INVALID_PRINCIPAL_TYPE RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND RD_KAFKA_RESP_ERR_TOPIC_DELETION_DISABLED
        RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED
        RD_KAFKA_RESP_ERR_RESOURCE_NOT_FOUND RD_KAFKA_RESP_ERR_DUPLICATE_RESOURCE RD_KAFKA_RESP_ERR_UNACCEPTABLE_CREDENTIAL
        RD_KAFKA_RESP_ERR_INCONSISTENT_VOTER_SET RD_KAFKA_RESP_ERR_INVALID_UPDATE_VERSION RD_KAFKA_RESP_ERR_FEATURE_UPDATE_FAILED
        RD_KAFKA_RESP_ERR_PRINCIPAL_DESERIALIZATION_FAILURE RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID RD_KAFKA_RESP_ERR_UNSUPPORTED_ASSIGNOR;
}

/// What is done about a failure: what its name says, made stronger by what the client says about it.
pub(super) fn reaction(failure: &Failure) -> Reaction {
    // A number that no one knows comes from a newer broker: a new producer is the strongest thing that can help.
    let code = if is_truncation(failure) { Ok(Code::RD_KAFKA_RESP_ERR__LOG_TRUNCATION) } else { Code::try_from(failure.code) };
    let by_name = code.map_or(Reaction::Recycle, |code| by_code(code).1);
    match by_name {
        Reaction::Stop | Reaction::Rejoin | Reaction::Renew | Reaction::LeaveTask => by_name,
        _ if failure.fatal => Reaction::Recycle,
        Reaction::Retry | Reaction::AbortAndRewind | Reaction::RefuseRecord if failure.abortable => Reaction::AbortAndRewind,
        _ if failure.retriable && !failure.abortable => Reaction::Retry,
        Reaction::Retry | Reaction::AbortAndRewind | Reaction::RefuseRecord | Reaction::Recycle => by_name,
    }
}

/// Whether the client found a log shorter than what it had read. It says so under another name, and is wrong at times: behind a restart of
/// the leader it takes a control record that it passed over for one of the time before. So the position is taken anew from the group's
/// committed offset, and that is compared with what the log has: what is missing of that stops the partition by name.
fn is_truncation(failure: &Failure) -> bool {
    failure.code == Code::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET as i32 && failure.text.contains("log truncation detected")
}

/// The client's name of an error. With `auto.offset.reset=error` it has a name of its own for a position that the log doesn't have.
pub(super) fn name(code: i32) -> &'static str {
    let code =
        if code == Code::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET as i32 { Code::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE as i32 } else { code };
    let full = Code::try_from(code).map_or("UNKNOWN_TO_THIS_CLIENT", |code| by_code(code).0);
    full.strip_prefix("RD_KAFKA_RESP_ERR_").unwrap_or(full)
}

/// The failure for the runtime. `doing` says what was tried, such as "commit the transaction".
pub(super) fn log_error(failure: &Failure, doing: &str) -> LogError {
    let text = failure.text.trim_end_matches('.');
    let text = if text.is_empty() { name(failure.code) } else { text };
    let hint = hint(failure.code).map(|hint| format!("; {hint}")).unwrap_or_default();
    LogError { code: name(failure.code), reaction: reaction(failure), message: format!("{doing}: {text}{hint}"), at: None, partition: None }
}

/// The same, with the partition that it is about.
pub(super) fn log_error_at(failure: &Failure, doing: &str, at: Option<String>, partition: Option<TopicPartition>) -> LogError {
    LogError { at, partition, ..log_error(failure, doing) }
}

/// What a person can do about it, where the client's text doesn't say.
fn hint(code: i32) -> Option<&'static str> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a hint is a courtesy: most errors have none")]
    Some(match Code::try_from(code).ok()? {
        Code::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN | Code::RD_KAFKA_RESP_ERR__TRANSPORT => {
            "is the broker up, and is bootstrap.servers right?"
        }
        Code::RD_KAFKA_RESP_ERR__RESOLVE => "is the host name in bootstrap.servers right?",
        Code::RD_KAFKA_RESP_ERR__SSL => "compare security.protocol and the ssl.* settings with the broker's listener",
        Code::RD_KAFKA_RESP_ERR__AUTHENTICATION | Code::RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED => {
            "check sasl.username, sasl.password and sasl.mechanism"
        }
        Code::RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM => "check sasl.mechanism against the broker's sasl.enabled.mechanisms",
        Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED => {
            "give the user Read on topics that are read, and Write on topics that are written"
        }
        Code::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED => "give the user Read on the group, which is the application.id",
        Code::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED => {
            "give the user Write on transactional ids that begin with the application.id"
        }
        Code::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED => "create the topics beforehand, or give the user Create on the cluster",
        Code::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
        | Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
        | Code::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION => "was the topic deleted, or does it have fewer partitions than before?",
        Code::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET | Code::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE => {
            "records were deleted before they were read, or the topic was made anew: nothing is skipped without being told to"
        }
        Code::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID => "another process runs with this instance.id: stop one, or give it another",
        Code::RD_KAFKA_RESP_ERR_PRODUCER_FENCED | Code::RD_KAFKA_RESP_ERR__FENCED | Code::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH => {
            "the transaction took longer than its timeout, or another process runs with this instance.id"
        }
        Code::RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT => {
            "session.timeout.ms must lie between the broker's group.min and group.max.session.timeout.ms"
        }
        Code::RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT => {
            "transaction.timeout.ms must not be above the broker's transaction.max.timeout.ms"
        }
        Code::RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL => "other members of the group are no Goyt, or use another assignment strategy",
        Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE => "the topic's max.message.bytes is smaller",
        Code::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP => "the topic refuses record timestamps this far from the broker's clock",
        Code::RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR => "the cluster has fewer brokers than that",
        Code::RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP | Code::RD_KAFKA_RESP_ERR_GROUP_SUBSCRIBED_TO_TOPIC => {
            "the application runs: stop it first"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
