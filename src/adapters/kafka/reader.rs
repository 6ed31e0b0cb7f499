//! What the group's consumer and the reader of changelogs have in common: records out of librdkafka's buffers, with the plan's topics.

use std::sync::Arc;
use std::time::Duration;

use super::raw::{Batch, Client, Message, TopicHandle};
use super::topics::Topics;
use crate::engine::record::{HeaderRef, RecordRef, TopicId, TopicPartition};

/// Reads from one client; allocates nothing in the steady state.
pub(super) struct Reader {
    pub client: Arc<Client>,
    pub topics: Arc<Topics>,
    /// Topics seen, by the client's number; the handle keeps the number from being used again.
    seen: Vec<(usize, TopicId, TopicHandle)>,
    batch: Batch,
    /// So many of the batch are handed out.
    done: usize,
    /// Empty between calls: only its memory is used again.
    headers: Vec<HeaderRef<'static>>,
}

impl Reader {
    /// Of a client.
    pub(super) fn new(client: Arc<Client>, topics: Arc<Topics>) -> Reader {
        let batch = Batch::new(Arc::clone(&client));
        Reader { client, topics, seen: Vec::new(), batch, done: 0, headers: Vec::new() }
    }

    /// Waits at most `wait` for something to happen, then hands out at most `max` records, and what stands in place of records. `record` says
    /// for how many one stands; what was taken and is more than that comes with the next call, which does not wait then.
    pub(super) fn read(
        &mut self,
        wait: Duration,
        max: usize,
        record: &mut dyn FnMut(RecordRef<'_>) -> usize,
        other: &mut dyn FnMut(Message<'_>, Option<TopicPartition>),
    ) {
        if self.batch.len() <= self.done {
            self.batch.fill(wait, max);
            self.done = 0;
        }
        let mut headers = emptied(std::mem::take(&mut self.headers));
        let mut left = max;
        for message in self.batch.messages().skip(self.done) {
            if left == 0 {
                break;
            }
            self.done += 1;
            let source = topic(&mut self.seen, &self.client, &self.topics, message)
                .map(|topic| TopicPartition { topic, partition: message.partition() });
            match source {
                Some(source) if message.code() == 0 => {
                    headers.clear();
                    message.headers(&mut headers);
                    let records = record(RecordRef {
                        source,
                        offset: message.offset(),
                        timestamp: message.timestamp(),
                        key: message.key(),
                        value: message.value(),
                        headers: &headers,
                    });
                    left = left.saturating_sub(records);
                }
                source => other(message, source),
            }
        }
        self.headers = emptied(headers);
        if self.batch.len() <= self.done {
            self.drop_taken();
        }
    }

    /// Drops what was taken and not handed out.
    pub(super) fn drop_taken(&mut self) {
        self.batch.clear();
        self.done = 0;
    }
}

/// The plan's topic of a message; `None` for messages of none.
fn topic(seen: &mut Vec<(usize, TopicId, TopicHandle)>, client: &Arc<Client>, topics: &Topics, message: Message<'_>) -> Option<TopicId> {
    let number = message.topic();
    if let Some((_, topic, _)) = seen.iter().find(|(known, ..)| *known == number) {
        return Some(*topic);
    }
    let name = message.topic_name()?;
    let topic = topics.id(name)?;
    let handle = TopicHandle::new(client, name).ok()?;
    if handle.number() == number {
        seen.push((number, topic, handle));
    }
    Some(topic)
}

/// The vector's memory, for references of another life; collecting in place allocates nothing.
fn emptied<'a>(mut headers: Vec<HeaderRef<'_>>) -> Vec<HeaderRef<'a>> {
    headers.clear();
    headers.into_iter().map(|_| ("", None)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emptied_keeps_the_memory() {
        let headers: Vec<HeaderRef<'_>> = Vec::with_capacity(7);
        assert_eq!(emptied(headers).capacity(), 7);
    }
}
