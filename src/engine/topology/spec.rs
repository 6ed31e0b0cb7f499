//! What a topology file may say: tree → data with places. Names, types and expressions are looked at later.
//!
//! What is missing here was told as a mistake when the file was read; what is left is checked all the same.

use super::events::parse_event;
use super::format;
use super::mistake::Mistakes;
use super::reading::{Fields, Reading, Word};
use super::steps::StepSpec;
use super::tree::Node;
use crate::engine::plan::Late;

/// A topology file.
#[derive(Debug, Default)]
pub struct TopologySpec<'t> {
    /// Its name.
    pub name: Option<Word<'t>>,
    /// What it is for, in words.
    pub description: Option<&'t str>,
    /// What it reads.
    pub inputs: Vec<InputSpec<'t>>,
    /// What it does.
    pub steps: Vec<StepSpec<'t>>,
}

/// A topic that is read.
#[derive(Debug)]
pub struct InputSpec<'t> {
    /// The topic.
    pub topic: Option<Word<'t>>,
    /// The events that are read of it.
    pub events: Vec<EventRef<'t>>,
    /// Its dedup.
    pub dedup: Option<DedupSpec<'t>>,
}

/// `TYPE@MAJOR`
#[derive(Debug, Clone, PartialEq)]
pub struct EventRef<'t> {
    /// `eventType`.
    pub event_type: String,
    /// The major version.
    pub major: u32,
    /// Where it stands.
    pub node: &'t Node,
}

/// A dedup: of an input, or a step.
#[derive(Debug)]
pub struct DedupSpec<'t> {
    /// Where it stands.
    pub node: &'t Node,
    /// The id.
    pub by: Vec<&'t Node>,
    /// The window.
    pub window_ms: i64,
    /// What becomes of older records.
    pub late: Late,
}

/// Reads a topology file.
pub fn read<'t>(root: &'t Node, mistakes: &mut Mistakes<'_>) -> TopologySpec<'t> {
    let mut reading = Reading { mistakes };
    let Some(fields) = reading.shaped(root, &format::TOPOLOGY) else { return TopologySpec::default() };
    let name = fields.get("topology").and_then(|it| reading.topology_name(it));
    let description = fields.get("description").and_then(|it| reading.scalar(it, "the description")).map(|it| it.text.trim());
    let inputs = fields.get("inputs").and_then(|it| reading.inputs(it)).unwrap_or_default();
    let steps = fields.get("steps").and_then(|it| reading.steps(it)).unwrap_or_default();
    TopologySpec { name, description, inputs, steps }
}

impl<'t> Reading<'_, '_> {
    fn topology_name(&mut self, node: &'t Node) -> Option<Word<'t>> {
        let name = self.word(node, "the topology's name")?;
        let fits = name.text.starts_with(|it: char| it.is_ascii_lowercase())
            && name.text.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
            && name.text.len() <= 100;
        if fits {
            return Some(name);
        }
        let hint = "a name has lower-case letters, digits and `-`, begins with a letter and has at most 100 of them, as in order-totals";
        self.mistake(&node.span, format!("`{}` is no name of a topology", name.text), hint)
    }

    fn inputs(&mut self, node: &'t Node) -> Option<Vec<InputSpec<'t>>> {
        let items = self.list(node, "`inputs`")?;
        match items {
            [] => return self.mistake(&node.span, "there is no input", "name the topic that is read: `- topic: orders`"),
            [_] => {}
            [_, second, ..] => {
                let hint = "write one topology for each topic; they may emit to the same topics";
                self.mistakes.add(second.span.clone(), "more than one input is not supported yet", hint);
            }
        }
        Some(items.iter().filter_map(|it| self.input(it)).collect())
    }

    fn input(&mut self, node: &'t Node) -> Option<InputSpec<'t>> {
        let fields = self.shaped(node, &format::INPUT)?;
        let topic = fields.get("topic").and_then(|it| self.topic(it));
        let events = fields.get("events").and_then(|it| self.events(it));
        let dedup = fields.get("dedup").and_then(|it| {
            let fields = self.shaped(it, &format::DEDUP)?;
            Some(self.dedup(&fields))
        });
        Some(InputSpec { topic, events: events.unwrap_or_default(), dedup })
    }

    fn events(&mut self, node: &'t Node) -> Option<Vec<EventRef<'t>>> {
        let items = self.list(node, "`events`")?;
        if items.is_empty() {
            return self.mistake(&node.span, "there is no event", "name what is read: `[ORDER_PLACED@1]`");
        }
        let mut events: Vec<EventRef<'t>> = Vec::new();
        for it in items {
            let Some(event) = self.event(it) else { continue };
            if events.iter().any(|it| it.event_type == event.event_type && it.major == event.major) {
                self.mistakes.add(it.span.clone(), format!("{}@{} is named twice", event.event_type, event.major), "remove one of them");
                continue;
            }
            events.push(event);
        }
        Some(events)
    }

    /// `TYPE@MAJOR`
    pub(super) fn event(&mut self, node: &'t Node) -> Option<EventRef<'t>> {
        let word = self.word(node, "an event")?;
        match parse_event(word.text) {
            Some((event_type, major)) => Some(EventRef { event_type, major, node }),
            None => {
                let hint = if word.text.contains('@') {
                    "behind the `@` stands the major version, as in ORDER_PLACED@1".to_owned()
                } else {
                    format!("add the major version: `{}@1`", word.text)
                };
                self.mistake(&node.span, format!("`{}` is no event", word.text), hint)
            }
        }
    }

    /// A topic's name as Kafka allows it.
    pub(super) fn topic(&mut self, node: &'t Node) -> Option<Word<'t>> {
        let word = self.word(node, "a topic")?;
        match topic_fault(word.text) {
            None => Some(word),
            Some(fault) => self.mistake(
                &node.span,
                format!("`{}` is no name of a topic: {fault}", word.text),
                "letters, digits, `.`, `_` and `-` may stand in it",
            ),
        }
    }

    pub(super) fn dedup(&mut self, fields: &Fields<'t>) -> DedupSpec<'t> {
        let by = fields.get("by").and_then(|it| self.one_or_more(it)).unwrap_or_default();
        let window_ms = fields.get("window").and_then(|it| self.window(it)).unwrap_or(1);
        let late = match fields.get("late").and_then(|it| self.word(it, "`process`")) {
            None => Late::Reject,
            Some(word) if word.text == "process" => Late::Process,
            Some(word) => {
                let hint =
                    "write `late: process` to let records older than the window go on, or leave it out: they become dead letters TOO_OLD";
                self.mistakes.add(word.node.span.clone(), format!("`{}` can't be done with late records", word.text), hint);
                Late::Process
            }
        };
        DedupSpec { node: fields.node, by, window_ms, late }
    }

    /// `7d`, `12h`, `30m`, `10s`: milliseconds.
    fn window(&mut self, node: &'t Node) -> Option<i64> {
        const LONGEST_MS: i64 = 3650 * 86_400_000;
        let word = self.word(node, "a window")?;
        let unit = |it: &str| match it {
            "d" => Some(86_400_000),
            "h" => Some(3_600_000),
            "m" => Some(60_000),
            "s" => Some(1_000),
            _ => None,
        };
        let digits = word.text.trim_end_matches(|it: char| !it.is_ascii_digit());
        let ms = word.text.get(digits.len()..).and_then(unit).and_then(|unit| digits.parse::<i64>().ok()?.checked_mul(unit));
        match ms {
            Some(ms) if 0 < ms && ms <= LONGEST_MS => Some(ms),
            _ => self.mistake(
                &node.span,
                format!("`{}` is no window", word.text),
                "write a number and d, h, m or s: `7d`, `12h`; at most 3650d",
            ),
        }
    }
}

/// Why a text can't be a topic's name, as Kafka has it.
pub(super) fn topic_fault(name: &str) -> Option<&'static str> {
    if name.is_empty() || name == "." || name == ".." {
        return Some("it is no name");
    }
    if 249 < name.len() {
        return Some("it has more than 249 characters");
    }
    let fits = name.bytes().all(|it| it.is_ascii_alphanumeric() || b"._-".contains(&it));
    (!fits).then_some("another character stands in it")
}
