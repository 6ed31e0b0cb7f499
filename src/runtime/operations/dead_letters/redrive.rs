//! Sends records back to where they came from, or discards their dead letters: each once, whatever crashes and whoever else tries.
//!
//! | step | a crash behind it leaves |
//! |---|---|
//! | the writer takes the transactional id `<application.id>-dlq` | nothing open of any other redrive, and none can commit any more |
//! | the marks are read to the end of the audit topic | – |
//! | a batch: records back to their origin, and their marks, in one transaction | both or neither |
//!
//! So what the marks say is what was done, and what they do not say was not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::filter::Filter;
use super::letter::{Letter, LetterId};
use super::marks::{Action, Mark, Marks};
use super::{Error, Through, length, ranges};
use crate::engine::json::decode::{self, Decoded};
use crate::engine::plan::{Decode, Operator, Plan, Subtopology};
use crate::engine::record::Offset;
use crate::engine::value::{Texts, Value};
use crate::runtime::operations::access::{NewRecord, Range, TopicReader, TopicWriter, read_ranges};
use crate::runtime::operations::audit;
use crate::runtime::ports::{Clock, LogError};
use crate::runtime::reaction::Reaction;

/// Most letters of one transaction.
const BATCH_LETTERS: usize = 500;
/// Most bytes of one transaction, but for a single letter that is larger.
const BATCH_BYTES: usize = 4 << 20;
/// Transactions in a second when a rate is asked for that allows more.
const BATCHES_PER_SECOND: u32 = 10;
/// Tries for a batch.
const TRIES_MAX: u32 = 5;
/// Pause between tries.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Names of the errors of a writer whose transactional id another has taken.
const FENCED: [&str; 3] = ["_FENCED", "PRODUCER_FENCED", "INVALID_PRODUCER_EPOCH"];

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Order<'a> {
    /// The application.
    pub plan: &'a Plan,
    /// To which dead letters. What was done already is left alone, whatever the filter says of it.
    pub filter: &'a Filter,
    /// What.
    pub action: Action,
    /// Why, in the words of the person who wants it.
    pub why: &'a str,
    /// Who wants it, such as `ann@host`.
    pub by: &'a str,
    /// The name of all that is done now.
    pub batch: &'a str,
    /// Most letters that something is done about.
    pub max: Option<u64>,
    /// Most letters in a second.
    pub rate: Option<u32>,
    /// A record that was sent back so often already is not sent again.
    pub max_redrives: u32,
    /// Send a record back although another topology reads its topic without a dedup, and has had its effect already.
    pub accept_repeats: bool,
}

/// What it is done with.
pub struct Tools<'a> {
    /// Reads letters and marks.
    pub reader: &'a mut dyn TopicReader,
    /// Has the transactional id of [`transactional_id`].
    pub writer: &'a mut dyn TopicWriter,
    /// Time.
    pub clock: &'a dyn Clock,
}

/// What was done so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Letters that something was done about now.
    pub done: u64,
    /// Letters that something was done about before.
    pub already: u64,
    /// Letters that were left as they are: why, how many, and one of them.
    pub refused: BTreeMap<Refusal, (u64, Option<LetterId>)>,
    /// How far the topics have been gone through.
    pub through: Through,
}

/// Why a record is not sent back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The dead letter does not say where it came from.
    NoOrigin,
    /// Its origin does not exist any more.
    OriginGone,
    /// The value is not in the dead letter.
    NoValue,
    /// It was sent back too often.
    TooOften,
    /// It is of a topology that this application does not have.
    Foreign,
    /// Another topology would process it a second time.
    Repeats,
    /// The broker does not take it.
    NotTaken,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::NoOrigin, Self::OriginGone, Self::NoValue, Self::TooOften, Self::Foreign, Self::Repeats, Self::NotTaken];

    /// As it stands in JSON.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoOrigin => "NO_ORIGIN",
            Self::OriginGone => "ORIGIN_GONE",
            Self::NoValue => "NO_VALUE",
            Self::TooOften => "TOO_OFTEN",
            Self::Foreign => "FOREIGN",
            Self::Repeats => "REPEATS",
            Self::NotTaken => "NOT_TAKEN",
        }
    }

    /// In words, with what to do.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NoOrigin => "the dead letter does not say where it came from; export it, and send it by hand",
            Self::OriginGone => "the topic or partition that it came from does not exist any more",
            Self::NoValue => "its value was too large for a dead letter and is not in it; the producer has to send it again",
            Self::TooOften => "it was sent back and failed too often; see why, then raise --max-redrives",
            Self::Foreign => "it is of a topology that this application does not have; name it with --topology, or its id, to mean it",
            Self::Repeats => "another topology reads its topic without a dedup, and would process it twice; --accept-repeats allows that",
            Self::NotTaken => "the broker does not take it, such as a record that is too large now",
        }
    }
}

/// The transactional id of all redrives of an application: there is one at a time.
#[must_use]
pub fn transactional_id(application_id: &str) -> String {
    format!("{application_id}-dlq")
}

/// Does it. `said` is told after each batch what was done so far. The audit topic must exist: [`audit::prepare`].
///
/// # Errors
/// What ended it; what was done before is done, and a second call goes on from there.
pub fn carry_out(tools: Tools<'_>, order: &Order<'_>, said: &mut dyn FnMut(&Summary)) -> Result<Summary, Error> {
    let Tools { reader, writer, clock } = tools;
    writer.init()?;
    let audit = audit::topic(&order.plan.application_id);
    let mut marks = Marks::of(&audit);
    marks.look_at_all(reader, clock)?;
    // Letters that come from now on are not meant: some of them may be those that were just sent back.
    let ranges = ranges(reader, order.plan, order.filter)?;
    let summary = Summary { through: Through { read: 0, of: ranges.iter().map(length).sum() }, ..Summary::default() };
    let origins = Origins { counts: BTreeMap::new() };
    let started = clock.elapsed();
    let mut work = Work { reader, writer, clock, order, audit, marks, origins, summary, started };
    for range in ranges {
        let mut from = range.from;
        while from < range.until && !work.is_full() {
            let (letters, next) = work.page(&Range { from, ..range.clone() })?;
            work.pace();
            work.commit(letters)?;
            work.summary.through.read += u64::try_from(next - from).unwrap_or(0);
            from = next;
            said(&work.summary);
        }
    }
    Ok(work.summary)
}

/// The other topology that would process the record a second time: it reads such events of the same topic, and keeps no ids.
#[must_use]
pub fn repeats_in<'p>(plan: &'p Plan, letter: &Letter) -> Option<&'p str> {
    plan.subtopologies.iter().find(|it| repeats(it, letter)).map(|it| it.topology.as_str())
}

/// Whether this part of another topology would process the record a second time.
pub(super) fn repeats(part: &Subtopology, letter: &Letter) -> bool {
    let Decode::Events(events) = &part.decode else { return false };
    let keeps_ids = part.steps.iter().any(|it| matches!(it.operator, Operator::Dedup { .. } | Operator::Unique { .. }));
    if keeps_ids || part.topology == letter.topology || letter.origin.as_ref().is_none_or(|it| it.topic != part.name) {
        return false;
    }
    // What it can't decode was a dead letter there, too, and has had no effect.
    let mut slots = vec![Value::Null; usize::from(part.slots)];
    matches!(decode::decode(events, letter.value.as_deref(), &mut slots, &Texts::new()), Ok(Decoded::Event(..)))
}

struct Work<'a> {
    reader: &'a mut dyn TopicReader,
    writer: &'a mut dyn TopicWriter,
    clock: &'a dyn Clock,
    order: &'a Order<'a>,
    audit: String,
    marks: Marks,
    origins: Origins,
    summary: Summary,
    started: Duration,
}

/// The partition counts of topics that records go back to, as far as they were asked for.
struct Origins {
    counts: BTreeMap<String, Option<i32>>,
}

impl Work<'_> {
    fn is_full(&self) -> bool {
        self.order.max.is_some_and(|max| max <= self.summary.done)
    }

    /// The letters of the next batch, and where to read on.
    fn page(&mut self, range: &Range) -> Result<(Vec<Letter>, Offset), Error> {
        let left = self.order.max.map_or(usize::MAX, |it| usize::try_from(it - self.summary.done).unwrap_or(usize::MAX));
        let paced = self.order.rate.map_or(usize::MAX, |it| usize::try_from(it.div_ceil(BATCHES_PER_SECOND)).unwrap_or(1));
        let count_max = BATCH_LETTERS.min(paced).min(left).max(1);
        let (mut letters, mut bytes, mut next): (Vec<Letter>, _, _) = (Vec::new(), 0, range.until);
        read_ranges(self.reader, std::slice::from_ref(range), |record| {
            let letter = Letter::read(&record);
            if self.order.filter.fits(&letter) {
                if self.marks.get(&letter.id, letter.origin.as_ref()).is_some() {
                    self.summary.already += 1;
                } else {
                    bytes += letter.bytes();
                    letters.push(letter);
                }
            }
            let full = count_max <= letters.len() || BATCH_BYTES <= bytes;
            if full {
                next = record.offset + 1;
            }
            !full
        })?;
        let mut accepted = Vec::with_capacity(letters.len());
        for letter in letters {
            match self.refusal(&letter)? {
                Some(refusal) => self.summary.refuse(refusal, &letter),
                None => accepted.push(letter),
            }
        }
        Ok((accepted, next))
    }

    fn refusal(&mut self, letter: &Letter) -> Result<Option<Refusal>, Error> {
        let (order, filter) = (self.order, self.order.filter);
        let ours = order.plan.subtopologies.iter().any(|it| it.topology == letter.topology);
        if !ours && filter.topology.is_none() && filter.ids.is_empty() {
            return Ok(Some(Refusal::Foreign));
        }
        if order.action == Action::Discard {
            return Ok(None);
        }
        let Some(origin) = &letter.origin else { return Ok(Some(Refusal::NoOrigin)) };
        let count = self.origins.count(self.reader, &origin.topic)?;
        Ok(match () {
            () if count.is_none_or(|it| it <= origin.partition) => Some(Refusal::OriginGone),
            () if letter.left_out.is_some() => Some(Refusal::NoValue),
            () if order.max_redrives <= letter.redrives => Some(Refusal::TooOften),
            () if !order.accept_repeats && repeats_in(order.plan, letter).is_some() => Some(Refusal::Repeats),
            () => None,
        })
    }

    /// Waits until the rate allows the next batch.
    fn pace(&self) {
        let Some(rate) = self.order.rate else { return };
        let due = Duration::from_millis(self.summary.done.saturating_mul(1_000) / u64::from(rate.max(1)));
        let due = self.started.saturating_add(due);
        self.clock.sleep(due.saturating_sub(self.clock.elapsed()));
    }

    /// Does it to these letters, in one transaction; when that fails, looks what became of it and tries again.
    fn commit(&mut self, mut letters: Vec<Letter>) -> Result<(), Error> {
        let mut failed = None;
        for _ in 0..TRIES_MAX {
            if letters.is_empty() {
                return Ok(());
            }
            let mark = self.mark();
            let error = match self.writer.transact(&self.records(&letters, &mark)) {
                Ok(()) => {
                    letters.iter().for_each(|it| self.marks.note(it, mark.clone()));
                    self.summary.done += count(letters.len());
                    return Ok(());
                }
                Err(error) => error,
            };
            if FENCED.contains(&error.code) {
                return Err(Error::Taken);
            }
            if error.reaction == Reaction::Stop {
                return Err(error.into());
            }
            self.look_what_became_of(&mut letters, &error)?;
            if error.reaction == Reaction::RefuseRecord {
                return self.commit_each(letters);
            }
            failed = Some(error);
            self.clock.sleep(RETRY_PAUSE);
        }
        failed.map_or(Ok(()), |it| Err(it.into()))
    }

    /// A batch with a record that the broker does not take: each for itself.
    fn commit_each(&mut self, letters: Vec<Letter>) -> Result<(), Error> {
        if let [letter] = letters.as_slice() {
            self.summary.refuse(Refusal::NotTaken, letter);
            return Ok(());
        }
        letters.into_iter().try_for_each(|it| self.commit(vec![it]))
    }

    /// After an error: the transaction is ended, one way or the other, and the marks tell which. What is done is taken out.
    fn look_what_became_of(&mut self, letters: &mut Vec<Letter>, error: &LogError) -> Result<(), Error> {
        if let Err(again) = self.writer.init() {
            return Err(if again.reaction == Reaction::Retry { error.clone().into() } else { again.into() });
        }
        self.marks.look_at_all(self.reader, self.clock)?;
        letters.retain(|it| match self.marks.get(&it.id, it.origin.as_ref()) {
            None => true,
            Some(mark) => {
                *if &*mark.batch == self.order.batch { &mut self.summary.done } else { &mut self.summary.already } += 1;
                false
            }
        });
        Ok(())
    }

    fn records(&self, letters: &[Letter], mark: &Mark) -> Vec<NewRecord> {
        let back = letters.iter().filter(|_| self.order.action == Action::Redrive).filter_map(back);
        back.chain(letters.iter().map(|it| mark.event(it, &self.order.plan.application_id, &self.audit))).collect()
    }

    fn mark(&self) -> Mark {
        let Order { action, why, by, batch, .. } = self.order;
        Mark { action: *action, at: self.clock.now(), by: Arc::from(*by), why: Arc::from(*why), batch: Arc::from(*batch) }
    }
}

/// The record as it goes back. Its timestamp is that of its return: with an old one the topic's retention could delete it unread.
fn back(letter: &Letter) -> Option<NewRecord> {
    let origin = letter.origin.as_ref()?;
    Some(NewRecord {
        topic: origin.topic.clone(),
        partition: Some(origin.partition),
        key: letter.key.clone(),
        value: letter.value.clone(),
        headers: letter.headers_back(),
        timestamp: None,
    })
}

impl Summary {
    fn refuse(&mut self, refusal: Refusal, letter: &Letter) {
        let entry = self.refused.entry(refusal).or_default();
        entry.0 += 1;
        entry.1.get_or_insert_with(|| letter.id.clone());
    }
}

impl Origins {
    fn count(&mut self, reader: &mut dyn TopicReader, topic: &str) -> Result<Option<i32>, LogError> {
        if let Some(count) = self.counts.get(topic) {
            return Ok(*count);
        }
        let count = reader.partitions(&[topic])?.get(topic).copied();
        self.counts.insert(topic.to_owned(), count);
        Ok(count)
    }
}

fn count(it: usize) -> u64 {
    u64::try_from(it).unwrap_or(u64::MAX)
}
