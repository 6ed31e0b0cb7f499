//! Bytes of the state's files are flipped, and files cut, between two runs or under a running process. What is damaged is found and
//! restored, or does no harm.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::{SMALL_COMMITS, end, seed, send, wait_for_all};
use crate::support::goyt::{self, Goyt};
use crate::support::platform::Platform;
use crate::support::random::Random;
use crate::support::stage::Stage;
use crate::support::trial::{Trial, chaos_times};

/// Little memory, so that files are read.
const SETTINGS: [(&str, &str); 2] = [("GOYT_STATESTORE_CACHE_MAX_BYTES", "0"), ("GOYT_ROCKSDB_BLOCK_CACHE_BYTES", "1048576")];

#[test]
fn a_corrupted_store_is_restored_or_unharmed() {
    let (seed, times) = (seed(96), chaos_times("CHAOS_CORRUPTIONS", 8));
    let trial = Trial::begin("state files corrupted (byte flipped, file cut)");
    let (stage, mut platform, mut random) = (Stage::new("corruption", 2), Platform::new(seed), Random::new(seed));
    let start = || Goyt::start_with(&stage, "a", &[&SMALL_COMMITS[..], &SETTINGS].concat());
    let (mut goyt, mut found) = (start(), 0);
    for n in 0..times {
        send(&stage, &mut platform);
        wait_for_all(&stage, &platform);
        // Each third time under a running process; only files that it does not write to.
        let (heard, damage) = if n % 3 == 2
            && let Some(file) = any_file(&stage.state("a"), ".sst", &mut random)
        {
            (goyt.lines().len(), corrupt(&file, &mut random))
        } else {
            // How long that may take on a busy machine is not the matter here.
            goyt.terminate();
            let damage = corrupt(&any_file(&stage.state("a"), "", &mut random).expect("a file"), &mut random);
            goyt = start();
            (0, damage)
        };
        send(&stage, &mut platform);
        wait_for_all(&stage, &platform);
        let lines = goyt.lines();
        let told = lines.iter().skip(heard).find(|it| it.contains("damaged") || it.contains("Corruption"));
        println!("{n}: {damage}: {}", told.map_or("harmless", String::as_str));
        found += usize::from(told.is_some());
        assert!(goyt.is_running(), "it ended: {lines:#?}");
        assert_eq!(goyt::tasks(&lines, "stopped"), Vec::<String>::new(), "tasks that stopped after {damage}: {lines:#?}");
    }
    goyt.stop();
    println!("{found} were found, {} did no harm", times - found);
    end(trial, times, &stage, &platform);
}

/// A file of a task whose name ends so, by chance.
fn any_file(state: &Path, ending: &str, random: &mut Random) -> Option<PathBuf> {
    let mut files = Vec::new();
    gather(state, &mut files);
    files.retain(|(path, length)| {
        let text = path.display().to_string();
        *length > 0 && text.ends_with(ending) && !text.contains(".damaged/") && !text.ends_with("/.lock")
    });
    let at = random.below(files.len().max(1) as u64);
    files.into_iter().nth(usize::try_from(at).expect("an index")).map(|(path, _)| path)
}

fn gather(folder: &Path, files: &mut Vec<(PathBuf, u64)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|it| Some(it.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => gather(&path, files),
            Ok(found) => files.push((path, found.len())),
            Err(_) => {}
        }
    }
}

/// Flips a bit or cuts the file; says what was done.
fn corrupt(path: &Path, random: &mut Random) -> String {
    let mut file = fs::OpenOptions::new().read(true).write(true).open(path).expect("the file");
    let length = file.metadata().expect("its length").len();
    let at = random.below(length);
    if random.happens(300) {
        file.set_len(at).expect("a cut");
        return format!("{} cut from {length} to {at} bytes", path.display());
    }
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).expect("the place");
    file.read_exact(&mut byte).expect("the byte");
    file.seek(SeekFrom::Start(at)).expect("the place");
    file.write_all(&[byte[0] ^ 1 << random.below(8)]).expect("another byte");
    format!("{} flipped at {at} of {length}", path.display())
}
