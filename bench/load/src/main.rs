//! The benchmark's hands: writes the load, checks the outputs, measures. `bench/bench.py` calls it; each command prints one line of JSON.
//!
//! ```text
//! load topics   --create NAME:PARTITIONS,… | --delete-all [--keep T,…]   makes topics; deletes all others
//! load generate --kind K --from A --to B …                   writes the records A to B of a load
//! load pace     --kind K --from A --rate R --seconds S …     writes at an even pace; latency from the intended time to a committed reader
//! load watch    --topics T,… [--read]                        a line at each move of the last stable offsets, until its input is closed;
//!                                                            with --read: at each committed record that comes
//! load verify   --kind K --to B …                            checks all outputs of the records 0 to B
//! load ends                                                  the end offsets of all topics
//! load consume  --topics T,…                                 reads topics as fast as the client can
//! ```

#[path = "../../../tests/support/random.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod random;

mod clients;
mod model;
mod options;
mod outputs;
mod pace;
mod reading;
mod topics;
mod verify;
mod writing;

use options::Options;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let options = Options::read(arguments);
    match command.as_str() {
        "topics" => topics::command(&options),
        "generate" => writing::command(&options),
        "pace" => pace::command(&options),
        "watch" => reading::watch(&options),
        "verify" => verify::command(&options),
        "ends" => reading::ends(&options),
        "consume" => reading::consume(&options),
        other => panic!("no command `{other}`: see the head of bench/load/src/main.rs"),
    }
}
