//! The disk with the state fills up, under a running process or before it starts, and has room again.

use std::fs;
use std::time::{Duration, Instant};

use super::{end, progress, seed, send, wait_for_all};
use crate::support::goyt::{self, Goyt};
use crate::support::platform::{Load, Platform};
use crate::support::small_disk::{SmallDisk, fill_up};
use crate::support::stage::Stage;
use crate::support::trial::{Trial, chaos_times};
use crate::support::wait;

/// More state than fits into what is left of files that are open.
const MUCH: Load = Load { users: 100, decisions: 100, transactions: 3_000, copies: 50, bad: 20 };
/// How long after there is room all must be processed.
const GOES_ON_WITHIN: Duration = Duration::from_secs(30);

#[test]
fn a_full_disk_loses_nothing_and_work_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount("64m") else { return };
    let (seed, times) = (seed(95), chaos_times("CHAOS_FULL_DISKS", 2));
    let trial = Trial::begin("state directory full (tmpfs), then not");
    let (stage, mut platform) = (Stage::new("disks", 2), Platform::new(seed));
    stage.create_topic("notification-events", &[]);
    let (state, filler) = (disk.path().join("state").display().to_string(), disk.path().join("filler"));
    let start = || Goyt::start_with(&stage, "a", &[("GOYT_STATE_DIR", &state)]);
    let mut goyt = start();
    send(&stage, &mut platform);
    wait_for_all(&stage, &platform);
    for n in 0..times {
        if n % 2 == 1 {
            goyt.kill();
            fill_up(&filler);
            goyt = start();
        } else {
            fill_up(&filler);
        }
        let heard = goyt.lines().len();
        stage.send(&platform.events(&MUCH));
        let complains = |line: &String| line.contains("No space left") || line.contains("bytes are free");
        let mut processed = progress(&stage);
        wait::until("a complaint", || {
            // A start deletes old files, so there may be room again.
            fill_up(&filler);
            let now = progress(&stage);
            if std::mem::replace(&mut processed, now) != now {
                send(&stage, &mut platform);
            }
            goyt.lines().iter().skip(heard.saturating_sub(1)).any(complains).then_some(())
        });
        assert!(goyt.is_running(), "it ended: {:#?}", goyt.lines());

        fs::remove_file(&filler).expect("room");
        let room = Instant::now();
        wait_for_all(&stage, &platform);
        assert!(room.elapsed() < GOES_ON_WITHIN, "it took {:?} after there was room", room.elapsed());
    }
    let lines = goyt.stop();
    assert_eq!(goyt::tasks(&lines, "stopped"), Vec::<String>::new(), "tasks that stopped: {lines:#?}");
    end(trial, times, &stage, &platform);
}
