//! `tests/bad_input/targets/record.rs`, driven by libFuzzer.

#![no_main]
#![allow(dead_code)]

#[path = "../../tests/bad_input/classes/mod.rs"]
mod classes;
#[path = "../src/seeds.rs"]
mod seeds;
#[path = "../../tests/bad_input/targets/mod.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(init: seeds::write(&classes::records::all()), |bytes: &[u8]| targets::record::run(bytes));
