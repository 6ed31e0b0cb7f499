//! The reference pages that are made from the code are those that stand in `docs/`.
//!
//! `UPDATE_REFERENCE=1 cargo test --release --test reference` writes them anew.

#![cfg(test)]

use std::path::Path;

#[test]
fn the_reference_of_the_settings_is_up_to_date() {
    check("docs/configuration.md", &goyt::config::reference::markdown());
}

#[test]
fn the_schema_of_topology_files_is_up_to_date() {
    check("docs/topology.schema.json", &goyt::engine::topology::editor::schema());
}

#[test]
fn the_reference_of_the_metrics_is_up_to_date() {
    check("docs/metrics.md", &goyt::telemetry::metrics::reference());
}

fn check(page: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, made).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == made, "{page} is not what the code says: run `UPDATE_REFERENCE=1 cargo test --release --test reference`");
}
