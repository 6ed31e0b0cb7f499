//! Takes the replayed state over: what differs goes to the live changelogs, and at the next start each task reads it from there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{Error, Replayed, Shadow, Site, TopicRow, compare};
use crate::engine::plan::{Role, StoreKind};
use crate::engine::state::dedup_keys::{self, PageName};
use crate::engine::state::dedup_pages;
use crate::runtime::operations::access::NewRecord;
use crate::runtime::operations::admin::Admin;

/// Keys that one promotion writes, at most: they go in one transaction.
const KEYS_MAX: usize = 500_000;

/// A record of a changelog.
type Logged = (Vec<u8>, Option<Vec<u8>>);

/// Why state is taken over, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// Why.
    pub reason: String,
    /// Who, as `user@host`.
    pub by: String,
    /// When, as an event has it.
    pub at: String,
    /// The audit topic: it must be there.
    pub audit: String,
}

/// Writes the keys that differ, tombstones among them, to the live changelogs, and an event to the audit topic, in one transaction; how
/// many keys. The application must be stopped; local stores need not be touched, since what they lack is the tail of the changelog.
///
/// # Errors
/// While an instance runs; when there is too much; when it could not be written.
pub fn promote(shadow: &Shadow, replayed: &Replayed, promotion: &Promotion, site: &mut Site<'_>) -> Result<usize, Error> {
    refuse_while_running(shadow, site.admin)?;
    let is_behind = |it: &&TopicRow| it.role == Role::Repartition && !it.joined.is_identical();
    if let Some(row) = replayed.report.topics.iter().find(is_behind) {
        return Err(Error::Refused {
            reason: format!("{} differs, and the state behind it follows what was recorded there", row.topic),
            hint: "`goyt reset` begins anew: everything goes through the changed topology".to_owned(),
        });
    }
    let count: usize = replayed.stores.iter().map(|it| it.difference.keys().count()).sum();
    if KEYS_MAX < count {
        return Err(Error::Refused {
            reason: format!("{count} keys differ, and at most {KEYS_MAX} can be taken over in one transaction"),
            hint: "`goyt reset` begins anew: it replays everything into the live application".to_owned(),
        });
    }
    let mut records = Vec::with_capacity(count + 1);
    let mut reader = site.access.reader(&shadow.plan.application_id)?;
    for store in replayed.stores.iter().filter(|it| !it.difference.is_identical()) {
        let keys: Vec<&[u8]> = store.difference.keys().collect();
        let until = reader.ends(std::slice::from_ref(&store.shadow))?.first().map_or(0, |it| it.high);
        let mut values = compare::values(&mut *reader, &store.shadow, store.plan.kind, until, &keys, site)?;
        let differing: Vec<_> = keys.iter().map(|key| (key.to_vec(), values.remove(*key))).collect();
        let logged = match store.plan.kind {
            StoreKind::Dedup { window_ms } => {
                let pages = compare::pages_with(&mut *reader, store, &keys, site)?;
                dedup_records(differing, pages, window_ms)
            }
            StoreKind::Unique | StoreKind::Allot | StoreKind::Aggregate => differing,
        };
        records.extend(logged.into_iter().map(|(key, value)| NewRecord {
            topic: store.live.topic.to_string(),
            partition: Some(store.live.partition),
            key: Some(key),
            value,
            ..NewRecord::default()
        }));
    }
    records.push(event(shadow, promotion, count));
    let mut writer = site.access.writer(Some(&format!("{}-promote", shadow.live)))?;
    writer.init()?;
    // Once more, at the last moment.
    refuse_while_running(shadow, site.admin)?;
    writer.transact(&records)?;
    if let Err(Error::Refused { .. }) = refuse_while_running(shadow, site.admin) {
        return Err(Error::Failed(
            "state was taken over, but an instance was started meanwhile and may have read its state before: stop it, delete its state \
             directory and start it again, so that it restores all from the changelogs"
                .to_owned(),
        ));
    }
    Ok(count)
}

/// What a dedup's entries that differ are in its changelog: `pages` without the ids that are gone or changed, then pages of those that are
/// new or changed.
fn dedup_records(differing: Vec<Logged>, pages: BTreeMap<Vec<u8>, Vec<u8>>, window_ms: i64) -> Vec<Logged> {
    let ids: BTreeSet<&[u8]> = differing.iter().filter_map(|(key, _)| dedup_keys::id_of(key)).collect();
    let rewritten = pages.into_iter().filter_map(|(key, page)| {
        let left = dedup_pages::without(PageName::of(&key)?, &page, |id| ids.contains(id))?;
        Some((key, left))
    });
    let mut records: Vec<Logged> = rewritten.collect();
    // No commit stands at such a position, and no other promotion does.
    let position = i64::MIN | uuid::Uuid::new_v4().as_u64_pair().0.cast_signed();
    let entries = differing.iter().map(|(key, value)| (&key[..], value.as_deref()));
    records.extend(dedup_pages::pack(entries, window_ms, position).into_iter().map(|it| (it.name.key(), Some(it.value))));
    records.extend(differing.into_iter().filter(|(key, _)| dedup_keys::logged(key).is_some()));
    records
}

/// Refuses while an instance of the live application runs.
///
/// # Errors
/// Which member its group has; when the cluster does not answer.
pub fn refuse_while_running(shadow: &Shadow, admin: &mut dyn Admin) -> Result<(), Error> {
    let found = admin.group(&shadow.live)?;
    match found.as_ref().and_then(|it| it.members.first()) {
        None => Ok(()),
        Some(member) => Err(Error::Refused {
            reason: format!("the application is running: group {} has the member {}", shadow.live, member.id),
            hint: "stop all its instances: each reads the promoted state when it starts. One that was killed counts as a member for \
                   session.timeout.ms more"
                .to_owned(),
        }),
    }
}

fn event(shadow: &Shadow, promotion: &Promotion, keys: usize) -> NewRecord {
    let event = json!({
        "eventType": "REPLAY_PROMOTED",
        "eventId": uuid::Uuid::new_v4().to_string(),
        "topology": shadow.topology,
        "keys": keys,
        "reason": promotion.reason,
        "by": promotion.by,
        "timestamp": promotion.at,
        "metadata": { "source": shadow.live, "version": "1.0" },
    });
    NewRecord {
        topic: promotion.audit.clone(),
        partition: Some(0),
        key: Some(shadow.topology.clone().into_bytes()),
        value: Some(event.to_string().into_bytes()),
        ..NewRecord::default()
    }
}
