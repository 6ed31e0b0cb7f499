//! Bad input: named classes of it, and random ones. Nothing panics, and a bad record is one dead letter while the next ones are processed.

#![cfg(test)]

mod classes;
mod corpus;
mod random;
mod targets;
