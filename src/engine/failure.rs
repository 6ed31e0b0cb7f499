//! Why a record could not be processed: what its dead letter says.

use std::borrow::Cow;

/// A record's failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// `goyt.reason`: a code of the engine, or the topology's own.
    pub code: Cow<'static, str>,
    /// `goyt.path`: JSON pointer to the place in the value; empty for the whole.
    pub path: String,
    /// In words.
    pub message: String,
    /// `goyt.step`: the step that failed; `None` while the record was decoded.
    pub step: Option<String>,
}

impl Failure {
    /// A failure at a place of the value.
    pub fn at(code: &'static str, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: Cow::Borrowed(code), path: path.into(), message: message.into(), step: None }
    }
}

/// The engine's own codes.
pub mod code {
    /// The record has no value.
    pub const NO_VALUE: &str = "NO_VALUE";
    /// The value is not UTF-8.
    pub const INVALID_UTF8: &str = "INVALID_UTF8";
    /// The value is not JSON.
    pub const NOT_JSON: &str = "NOT_JSON";
    /// The value is JSON, but no object.
    pub const NOT_AN_OBJECT: &str = "NOT_AN_OBJECT";
    /// A field is missing, or null where it may not be.
    pub const MISSING_FIELD: &str = "MISSING_FIELD";
    /// A field has another type than its schema says.
    pub const WRONG_TYPE: &str = "WRONG_TYPE";
    /// A field is a string, but not of the format that its schema says.
    pub const WRONG_FORMAT: &str = "WRONG_FORMAT";
    /// A field is outside the bounds, or not among the values, that its schema allows.
    pub const OUT_OF_RANGE: &str = "OUT_OF_RANGE";
    /// A field occurs twice.
    pub const DUPLICATE_FIELD: &str = "DUPLICATE_FIELD";
    /// The event's major version is not read here.
    pub const UNKNOWN_VERSION: &str = "UNKNOWN_VERSION";
    /// Older than the dedup window.
    pub const TOO_OLD: &str = "TOO_OLD";
    /// A derived record was refused by the broker.
    pub const REFUSED_OUTPUT: &str = "REFUSED_OUTPUT";
    /// All codes, for the reference and the checks.
    pub const ALL: [&str; 12] = [
        NO_VALUE,
        INVALID_UTF8,
        NOT_JSON,
        NOT_AN_OBJECT,
        MISSING_FIELD,
        WRONG_TYPE,
        WRONG_FORMAT,
        OUT_OF_RANGE,
        DUPLICATE_FIELD,
        UNKNOWN_VERSION,
        TOO_OLD,
        REFUSED_OUTPUT,
    ];
}
