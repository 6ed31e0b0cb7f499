//! Which keys a topology file may have: the one table behind the reader, its hints, and the schema for editors.

/// A mapping of the file.
#[derive(Debug)]
pub struct Shape {
    /// What it is, as mistakes name it.
    pub what: &'static str,
    /// In a sentence, for editors.
    pub about: &'static str,
    /// Its keys.
    pub keys: &'static [KeyForm],
    /// Whether there are keys of the topology's own besides: names, with expressions.
    pub names: bool,
}

/// A key of a mapping.
#[derive(Debug)]
pub struct KeyForm {
    /// The key.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What stands behind it.
    pub form: Form,
    /// How it may be written.
    pub example: &'static str,
}

/// What may stand behind a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Any text.
    Text,
    /// The topology's name.
    TopologyName,
    /// The id of a step.
    Id,
    /// A name that expressions use.
    Name,
    /// A topic.
    Topic,
    /// `TYPE@MAJOR`
    Event,
    /// A list of events.
    Events,
    /// An expression, or a quoted text.
    Expression,
    /// One expression, or a list of them.
    Expressions,
    /// Names with expressions.
    Names,
    /// The fields of an event: expressions, or objects of them.
    Value,
    /// `reject(CODE)` or `stop`
    Outcome,
    /// `7d`
    Window,
    /// `process`
    Late,
    /// The inputs.
    Inputs,
    /// An input's dedup.
    Dedup,
    /// Steps.
    Steps,
    /// The cases of a branch.
    Cases,
    /// The legs of a split.
    Legs,
    /// A second key of an aggregate.
    Each,
}

const fn must(name: &'static str, form: Form, example: &'static str) -> KeyForm {
    KeyForm { name, required: true, form, example }
}

const fn may(name: &'static str, form: Form, example: &'static str) -> KeyForm {
    KeyForm { name, required: false, form, example }
}

const ID: KeyForm = must("id", Form::Id, "id: order-totals");
const BY: KeyForm = must("by", Form::Expressions, "by: event.orderId");

/// A whole file.
pub const TOPOLOGY: Shape = Shape {
    what: "a topology file",
    about: "A topology: what is read, and what is done with it.",
    keys: &[
        must("topology", Form::TopologyName, "topology: order-totals"),
        may("description", Form::Text, "description: Orders of a shop are summed up."),
        must("inputs", Form::Inputs, "inputs: [{ topic: orders, events: [ORDER_PLACED@1] }]"),
        must("steps", Form::Steps, "steps: [{ filter: { id: paid, that: event.amount > 0.0 } }]"),
    ],
    names: false,
};

/// An input.
pub const INPUT: Shape = Shape {
    what: "an input",
    about: "A topic that is read. Events on it that are not named are counted and passed by.",
    keys: &[
        must("topic", Form::Topic, "topic: orders"),
        must("events", Form::Events, "events: [ORDER_PLACED@1]"),
        may("dedup", Form::Dedup, "dedup: { by: eventId, window: 7d }"),
    ],
    names: false,
};

/// The dedup of an input.
pub const DEDUP: Shape = Shape {
    what: "a dedup",
    about: "Records with an id that was seen within the window of event time have no effect; older ones are dead letters TOO_OLD.",
    keys: &[must("by", Form::Expressions, "by: eventId"), WINDOW, LATE],
    names: false,
};
const WINDOW: KeyForm = must("window", Form::Window, "window: 7d");
const LATE: KeyForm = may("late", Form::Late, "late: process");

/// A case of a branch.
pub const CASE: Shape = Shape {
    what: "a case",
    about: "A way of a branch: the first case that takes a record goes on with it. It has `steps` and `when` or `event`, or `otherwise` alone.",
    keys: &[
        may("when", Form::Expression, "when: event.amount > 0.0"),
        may("event", Form::Event, "event: ORDER_PLACED@1"),
        may("otherwise", Form::Steps, "otherwise: [{ filter: { id: none, that: false } }]"),
        may("steps", Form::Steps, "steps: [{ filter: { id: paid, that: event.amount > 0.0 } }]"),
    ],
    names: false,
};

/// A leg of a split.
pub const LEG: Shape = Shape {
    what: "a leg",
    about: "What one event becomes: the fields are named `<as>.<field>` in the steps that follow. All legs have the same fields.",
    keys: &[may("when", Form::Expression, "when: event.amount > 0.0")],
    names: true,
};

/// The second key of an aggregate.
pub const EACH: Shape = Shape {
    what: "`each`",
    about: "A state for each value of a second key, kept in the entry of the first one, which is read and written as a whole: for few values.",
    keys: &[must("by", Form::Expressions, "by: event.currency"), INIT, UPDATE],
    names: false,
};
const INIT: KeyForm = must("init", Form::Names, "init: { count: 0 }");
const UPDATE: KeyForm = must("update", Form::Names, "update: { count: state.count + 1 }");

/// The operators.
pub const OPERATORS: [(&str, Shape); 11] = [
    ("let", Shape { what: "`let`", about: "Gives names to values.", keys: &[ID], names: true }),
    (
        "require",
        Shape {
            what: "`require`",
            about: "Goes on only when the condition holds; else the record is a dead letter, or the task stops.",
            keys: &[ID, must("that", Form::Expression, "that: event.amount > 0.0"), must("else", Form::Outcome, "else: reject(AMOUNT)")],
            names: false,
        },
    ),
    (
        "filter",
        Shape {
            what: "`filter`",
            about: "Goes on only when the condition holds; else the record ends here, which is no error.",
            keys: &[ID, must("that", Form::Expression, "that: event.amount > 0.0")],
            names: false,
        },
    ),
    (
        "branch",
        Shape {
            what: "`branch`",
            about: "The first case that takes a record goes on with it, with its own steps. Nothing follows a branch.",
            keys: &[ID, must("cases", Form::Cases, "cases: [{ event: ORDER_PLACED@1, steps: [{ filter: { id: paid, that: true } }] }]")],
            names: false,
        },
    ),
    (
        "split",
        Shape {
            what: "`split`",
            about: "The steps that follow run once for each leg whose `when` holds.",
            keys: &[
                ID,
                must("as", Form::Name, "as: leg"),
                must("into", Form::Legs, "into: [{ part: event.sellerId }, { part: event.buyerId }]"),
            ],
            names: false,
        },
    ),
    (
        "key",
        Shape {
            what: "`key`",
            about: "The steps that follow run behind a repartition topic: all records of a key are in one partition. Nothing can be rejected there.",
            keys: &[ID, BY],
            names: false,
        },
    ),
    (
        "dedup",
        Shape {
            what: "`dedup`",
            about: "Goes on only with ids that were not seen within the window of event time.",
            keys: &[ID, BY, WINDOW, LATE],
            names: false,
        },
    ),
    ("unique", Shape { what: "`unique`", about: "Goes on only with ids that were never seen, for ever.", keys: &[ID, BY], names: false }),
    (
        "allot",
        Shape {
            what: "`allot`",
            about: "Gives out a number that no other record gets, the same one on a replay.",
            keys: &[ID, must("as", Form::Name, "as: orderNumber")],
            names: false,
        },
    ),
    (
        "aggregate",
        Shape {
            what: "`aggregate`",
            about: "Folds the record into the state of its key: `update` reads `state.<field>`, later steps read `<id>.<field>`.",
            keys: &[
                ID,
                BY,
                INIT,
                UPDATE,
                may("each", Form::Each, "each: { by: event.currency, init: { sum: 0.0 }, update: { sum: state.sum + event.amount } }"),
            ],
            names: false,
        },
    ),
    (
        "emit",
        Shape {
            what: "`emit`",
            about: "Writes a derived event; the engine adds its envelope. Without an id the step is named after its topic.",
            keys: &[
                may("id", Form::Id, "id: total-changed"),
                must("to", Form::Topic, "to: order-totals"),
                must("event", Form::Event, "event: TOTAL_CHANGED@1"),
                may("key", Form::Expression, "key: event.orderId"),
                must("value", Form::Value, "value: { total: sums.total }"),
            ],
            names: false,
        },
    ),
];

/// Operators that are planned: they are not unknown, but not there yet.
pub const NOT_YET: [&str; 6] = ["lookup", "window", "saga", "timer", "journal", "join"];

impl Shape {
    /// How a key may be written.
    #[must_use]
    pub fn example(&self, key: &str) -> &'static str {
        self.keys.iter().find(|it| it.name == key).map_or("", |it| it.example)
    }
}

/// The keys of an operator.
#[must_use]
pub fn operator(name: &str) -> Option<&'static Shape> {
    OPERATORS.iter().find(|(it, _)| *it == name).map(|(_, it)| it)
}

/// The names of the operators.
#[must_use]
pub fn operators() -> [&'static str; 11] {
    OPERATORS.each_ref().map(|(it, _)| *it)
}
