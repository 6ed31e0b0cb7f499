//! The plan's topics by name, as the client knows them, and by number, as the engine does.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};

use super::raw::{Entry, PartitionList};
use crate::engine::record::{Offset, TopicId, TopicPartition};

/// Names ↔ ids.
#[derive(Debug)]
pub(super) struct Topics {
    names: Vec<CString>,
    ids: BTreeMap<CString, TopicId>,
}

impl Topics {
    /// The topics; a [`TopicId`] is an index here. A name with a zero byte, which no topic has, is cut off there.
    pub(super) fn new(names: Vec<String>) -> Topics {
        let names: Vec<CString> =
            names.into_iter().map(|name| CString::new(name.split('\0').next().unwrap_or_default()).unwrap_or_default()).collect();
        let ids = (0..).map(TopicId).zip(&names).map(|(id, name)| (name.clone(), id)).collect();
        Topics { names, ids }
    }

    /// The name of a topic; empty, which no topic is, for an id that is not of the plan.
    pub(super) fn name(&self, topic: TopicId) -> &CStr {
        self.names.get(usize::from(topic.0)).map_or(c"", CString::as_c_str)
    }

    /// The id of a name.
    pub(super) fn id(&self, name: &CStr) -> Option<TopicId> {
        self.ids.get(name).copied()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.names.len()
    }

    /// The partition that an entry names, if it is one of the plan's.
    pub(super) fn partition(&self, entry: &Entry<'_>) -> Option<TopicPartition> {
        self.id(entry.topic).map(|topic| TopicPartition { topic, partition: entry.partition })
    }

    /// A list for the client.
    pub(super) fn list(&self, positions: impl ExactSizeIterator<Item = (TopicPartition, Offset)>) -> PartitionList {
        let mut list = PartitionList::new(positions.len());
        for (at, offset) in positions {
            list.add(self.name(at.topic), at.partition, offset);
        }
        list
    }

    /// A partition for people: `orders/3`.
    pub(super) fn place(&self, at: TopicPartition) -> String {
        format!("{}/{}", self.name(at.topic).to_string_lossy(), at.partition)
    }
}
