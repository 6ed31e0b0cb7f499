//! The classes of bad input as the files with which fuzzing begins.

use std::{env, fs, path::Path};

use crate::classes::Class;

/// Longest input that is fuzzed: what is found with longer ones are limits, and those are among the classes.
const BYTES_MAX: usize = 4 << 10;

/// Writes the classes into the folder that `FUZZ_SEEDS` names.
pub fn write(classes: &[Class]) {
    let Some(folder) = env::var_os("FUZZ_SEEDS") else { return };
    for (number, class) in classes.iter().enumerate() {
        if let Some(bytes) = class.bytes.as_ref().filter(|it| it.len() <= BYTES_MAX) {
            fs::write(Path::new(&folder).join(format!("class-{number:03}")), bytes).expect("FUZZ_SEEDS is a folder");
        }
    }
}
