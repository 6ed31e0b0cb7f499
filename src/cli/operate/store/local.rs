//! The stores in the state directory of an instance that does not run.

use std::path::PathBuf;

use serde_json::{Value as Json, json};

use crate::adapters::rocks::offline::OfflineStores;
use crate::cli::exit::{Exit, Failure};
use crate::config::Settings;
use crate::engine::plan::Plan;
use crate::runtime::operations::access::StateReader as _;
use crate::runtime::operations::queries::{self, Mistake, Page, Store};
use crate::runtime::ports::StoreError;

/// Stores on disk.
pub(super) struct Local {
    plan: Plan,
    stores: OfflineStores,
    path: PathBuf,
}

impl Local {
    pub(super) fn open(settings: &Settings, plan: Plan) -> Result<Self, Failure> {
        let stores = OfflineStores::open(&settings.state_dir, &plan).map_err(|it| unreadable(&it))?;
        Ok(Self { plan, stores, path: settings.state_dir.join(&settings.application_id) })
    }

    /// Where they are.
    pub(super) fn place(&self) -> String {
        self.path.display().to_string()
    }

    pub(super) fn stores(&self) -> Result<Vec<Json>, Failure> {
        queries::stores(&self.plan).map(|it| it.text(&self.stores).map(|it| json!(it)).map_err(|it| unreadable(&it))).collect()
    }

    pub(super) fn get(&self, name: &str, text: &str) -> Result<Json, Failure> {
        let store = queries::find(&self.plan, name).map_err(|it| mistaken(&it))?;
        let key = store.key(text).map_err(|it| mistaken(&it))?;
        let mut looked_at = Vec::new();
        for task in self.tasks(store, text)? {
            if let Some(entry) = store.get(&self.stores, &task, &key).map_err(|it| unreadable(&it))? {
                let partition = store.partition_of_task(&entry.task);
                return Ok(json!({ "store": name, "key": entry.key, "value": entry.value, "task": entry.task, "partition": partition }));
            }
            looked_at.push(task);
        }
        let looked_at =
            if looked_at.is_empty() { "none of its tasks is here".to_owned() } else { format!("looked at {}", looked_at.join(", ")) };
        Err(Failure::new(Exit::FAILED, format!("{name} has no key {text}: {looked_at}")))
    }

    /// The tasks here that may have a key.
    fn tasks(&self, store: Store<'_>, key: &str) -> Result<Vec<String>, Failure> {
        let all = self.stores.tasks();
        let mut tasks = Vec::new();
        for task in store.tasks(&all) {
            let partitions = self.stores.partitions(task).unwrap_or(1);
            let owner = store.partition(key, partitions).map_err(|it| mistaken(&it))?;
            if owner.is_none_or(|it| store.partition_of_task(task) == Some(it)) {
                tasks.push(task.to_owned());
            }
        }
        Ok(tasks)
    }

    /// Entries, and whether there are more.
    pub(super) fn scan(&self, name: &str, prefix: &str, limit: usize) -> Result<(Vec<Json>, bool), Failure> {
        let store = queries::find(&self.plan, name).map_err(|it| mistaken(&it))?;
        let prefix = store.prefix(prefix).map_err(|it| mistaken(&it))?;
        let all = self.stores.tasks();
        let mut entries = Vec::new();
        for task in store.tasks(&all) {
            let page = Page { prefix: prefix.clone(), after: None, limit: limit - entries.len() };
            let (found, more) = store.scan(&self.stores, task, &page).map_err(|it| unreadable(&it))?;
            entries.extend(found.iter().map(|it| json!(it)));
            if more {
                return Ok((entries, true));
            }
        }
        Ok((entries, false))
    }
}

fn mistaken(mistake: &Mistake) -> Failure {
    Failure::new(if mistake.missing { Exit::FAILED } else { Exit::USAGE }, format!("{}\n  hint: {}", mistake.reason, mistake.hint))
}

fn unreadable(error: &StoreError) -> Failure {
    let hint = match error {
        StoreError::Locked(_) => "\n  hint: ask the running instance: --address names its http.address",
        _ => "",
    };
    Failure::new(Exit::FAILED, format!("{error}{hint}"))
}
