//! Evaluates expressions over the slots of a record.
