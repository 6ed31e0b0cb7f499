//! Looks at the next record of partitions, to know how old it is and whether it is there at all: behind the last record of a
//! transaction stands a control record that nobody ever processes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::evaluation::Head;
use crate::engine::record::Offset;
use crate::runtime::operations::access::{Ends, Place, TopicReader};
use crate::runtime::ports::LogError;

/// At most this many partitions are looked into in one turn: those first whose turn is longest ago.
const PEEKS_MAX: usize = 64;
/// One wait for records.
const PEEK_WAIT: Duration = Duration::from_millis(20);
/// Waits in one turn, 2 s in all.
const WAITS_MAX: usize = 100;
/// Records taken at a time; all but the first of each partition are dropped.
const BATCH: usize = 10_000;

/// What was seen, so that it need not be looked at again.
#[derive(Debug, Default)]
pub struct Peeks {
    seen: BTreeMap<Place, Seen>,
    turn: u64,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    position: Offset,
    visible: Offset,
    head: Head,
    turn: u64,
}

impl Peeks {
    /// The first record of each of these partitions at or behind a position.
    ///
    /// # Errors
    /// Errors of the client or of a partition.
    pub fn heads(&mut self, reader: &mut dyn TopicReader, of: &BTreeMap<Place, (Offset, Ends)>) -> Result<BTreeMap<Place, Head>, LogError> {
        self.turn += 1;
        self.seen.retain(|place, _| of.contains_key(place));
        let mut heads = BTreeMap::new();
        let mut unknown = Vec::new();
        for (place, (position, ends)) in of {
            let known = self.known(place, *position, ends.visible);
            if known.is_none() {
                unknown.push((self.seen.get(place).map_or(0, |it| it.turn), place, (*position).max(ends.first), *position, ends.visible));
            }
            heads.insert(place.clone(), known.unwrap_or(Head::Unknown));
        }
        unknown.sort();
        unknown.truncate(PEEKS_MAX);
        let from: BTreeMap<Place, Offset> = unknown.iter().map(|(_, place, from, ..)| ((*place).clone(), *from)).collect();
        let found = look(reader, &from)?;
        for (_, place, _, position, visible) in unknown {
            let head = found.get(place).copied().unwrap_or(Head::Unknown);
            self.seen.insert(place.clone(), Seen { position, visible, head, turn: self.turn });
            heads.insert(place.clone(), head);
        }
        Ok(heads)
    }

    fn known(&self, place: &Place, position: Offset, visible: Offset) -> Option<Head> {
        if visible <= position {
            return Some(Head::Nothing);
        }
        let seen = self.seen.get(place).filter(|it| it.position == position)?;
        match seen.head {
            Head::Record(_) => Some(seen.head),
            Head::Nothing if seen.visible == visible => Some(Head::Nothing),
            Head::Nothing | Head::Unknown => None,
        }
    }
}

/// Reads each partition until its first record or its end, within a bound.
fn look(reader: &mut dyn TopicReader, from: &BTreeMap<Place, Offset>) -> Result<BTreeMap<Place, Head>, LogError> {
    let mut found = BTreeMap::new();
    let looked = look_at(reader, from, &mut found);
    from.keys().filter(|it| !found.contains_key(it)).for_each(|it| reader.stop(it));
    looked.map(|()| found)
}

fn look_at(reader: &mut dyn TopicReader, from: &BTreeMap<Place, Offset>, found: &mut BTreeMap<Place, Head>) -> Result<(), LogError> {
    for (place, position) in from {
        reader.start(place, *position)?;
    }
    for _ in 0..WAITS_MAX.max(4 * from.len()) {
        if found.len() == from.len() {
            break;
        }
        let mut done = Vec::new();
        let ends = reader.poll(PEEK_WAIT, BATCH, &mut |record| {
            if !found.contains_key(record.place) {
                // A log without timestamps says nothing of age.
                found.insert(record.place.clone(), record.timestamp.map_or(Head::Unknown, Head::Record));
                done.push(record.place.clone());
            }
        })?;
        for (place, _) in ends {
            if !found.contains_key(&place) {
                found.insert(place.clone(), Head::Nothing);
                done.push(place);
            }
        }
        done.iter().for_each(|it| reader.stop(it));
    }
    Ok(())
}
