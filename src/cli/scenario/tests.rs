//! Scenarios: what the generator makes, and what it counts.
