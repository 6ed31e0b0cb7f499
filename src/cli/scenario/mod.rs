//! Scenarios: files that say which records are made for a demonstration, what must come of them, and what is shown.
//!
//! The expected figures are counted while the records are made, by nothing that the engine uses.

mod fields;
pub mod file;
pub mod generator;
pub mod tally;
pub(in crate::cli) mod tally_file;

/// A scenario file.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// In a sentence.
    pub description: String,
    /// About so many good events.
    pub events: u64,
    /// Partitions of the topics that are written to.
    pub partitions: i32,
    /// One after the other: the next begins when all that comes of the last has been written.
    pub stages: Vec<Stage>,
    /// What must come of it.
    pub tallies: Vec<Tally>,
    /// What is shown at the end.
    pub pictures: Vec<Picture>,
}

/// A part of the scenario; its kinds of records are mixed.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// What happens, in words.
    pub name: String,
    /// Its part of the events, percent.
    pub share: u64,
    /// Its kinds of records.
    pub templates: Vec<Template>,
}

/// A kind of record.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// Its part of the stage's events, beside the parts of the others.
    pub share: u64,
    /// The topic.
    pub topic: String,
    /// The field that is the record's key.
    pub key: String,
    /// So many percent are sent a second time.
    pub repeated: u64,
    /// Fields that are made first and not written.
    pub locals: Vec<(String, Field)>,
    /// The fields of the value, in their order.
    pub value: Vec<(String, Field)>,
    /// Further records, which can't be processed.
    pub broken: Vec<Broken>,
}

/// How a field is made.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// As it stands: JSON text.
    Json(String),
    /// A text; `{name}` is a field made before, `{count}` the number of the record among those of its kind.
    Text(String),
    /// A new UUID.
    Uuid,
    /// The time at which the record is made, less so many milliseconds.
    Now {
        /// Milliseconds.
        ago: i64,
    },
    /// 1, 2, 3, … among all records of the scenario.
    Count,
    /// One of these.
    Choice(Vec<Field>),
    /// A whole number of this range, both ends included.
    Integer(i64, i64),
    /// A decimal as text, between two amounts with so many decimals.
    Decimal {
        /// The least, in units of the last decimal.
        least: i128,
        /// The greatest, in units of the last decimal.
        most: i128,
        /// Decimals.
        scale: usize,
    },
    /// A field of a record that the application has written.
    From {
        /// The topic.
        topic: String,
        /// The field.
        field: String,
        /// A field made before, whose value it must not be.
        not: Option<String>,
    },
    /// An object.
    Object(Vec<(String, Field)>),
}

/// A record that can't be processed.
#[derive(Debug, Clone, PartialEq)]
pub struct Broken {
    /// What is wrong with it, in words.
    pub name: String,
    /// The reason that its dead letter must have.
    pub reason: String,
    /// How it comes of a good one.
    pub change: Breakage,
    /// It has the key of the good record before it, and so comes into the same partition behind it.
    pub key_before: bool,
    /// How many there are.
    pub times: u64,
}

/// How a record is broken.
#[derive(Debug, Clone, PartialEq)]
pub enum Breakage {
    /// Fields are other ones.
    Fields {
        /// Put in.
        with: Vec<(String, Field)>,
        /// Left out.
        without: Vec<String>,
    },
    /// The value is this.
    Bytes(Vec<u8>),
    /// There is no value.
    NoValue,
}

/// Figures that are counted while the records are made, by key, and compared with what the application says.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    /// What is counted.
    pub name: String,
    /// How it is counted; copies and broken records do not count.
    pub parts: Vec<Part>,
    /// Where the application's figures stand.
    pub comparisons: Vec<Comparison>,
}

/// What the records of one kind add to a tally.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The kind of record.
    pub template: String,
    /// The fields whose values are the key; none: one figure for all.
    pub key: Vec<String>,
    /// What is added.
    pub amount: Addend,
}

/// What a record adds to a figure.
#[derive(Debug, Clone, PartialEq)]
pub enum Addend {
    /// This number.
    Number(i64),
    /// The value of a field.
    Plus(String),
    /// The value of a field, taken away.
    Minus(String),
}

/// Where figures of the application stand.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Where.
    pub place: Figures,
    /// The line of the file in which it is asked for.
    pub line: usize,
}

/// Figures of the application, by key.
#[derive(Debug, Clone, PartialEq)]
pub enum Figures {
    /// In the records of a topic.
    Topic {
        /// The topic.
        topic: String,
        /// The fields whose values are the key.
        key: Vec<String>,
        /// How the records of a key make a figure.
        by: By,
    },
    /// In a store.
    Store {
        /// `<topology>.<id>`
        store: String,
        /// The field of its values.
        value: String,
    },
}

/// How the records of a key make a figure.
#[derive(Debug, Clone, PartialEq)]
pub enum By {
    /// Each counts so much.
    Count(i64),
    /// The last one's field.
    Last(String),
    /// The sum of a field.
    Sum(String),
}

/// Some records of a topic, to be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// The heading.
    pub title: String,
    /// The topic.
    pub topic: String,
    /// The last record of each of these keys; none: the first records.
    pub key: Vec<String>,
    /// The fields that are shown.
    pub columns: Vec<String>,
    /// Those with the greatest values of this field first.
    pub top: Option<String>,
    /// How many.
    pub rows: usize,
}
