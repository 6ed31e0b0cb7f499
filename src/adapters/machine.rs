//! The machine: how much memory the process may use.

use std::fs;
use std::path::Path;

/// Bytes of memory that the process may use: the machine's, or what its control groups leave of it; `None`: the system does not tell.
#[must_use]
pub fn memory_bytes() -> Option<u64> {
    usable(|path| fs::read_to_string(path).ok())
}

/// The same, of files that `read` reads.
fn usable(read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let total = read(Path::new("/proc/meminfo"))?.lines().find_map(|it| kibibytes(it.strip_prefix("MemTotal:")?))?;
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let limits = groups.lines().filter_map(group).flat_map(|(root, file, group)| limits(root, file, group, &read));
    limits.chain([total]).min()
}

fn kibibytes(text: &str) -> Option<u64> {
    text.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1024)
}

/// A line of `/proc/self/cgroup` that is about memory: where such groups are, the file with the limit of one, and the process's.
fn group(line: &str) -> Option<(&'static str, &'static str, &str)> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
    match controllers {
        "" => Some(("/sys/fs/cgroup", "memory.max", group)),
        _ if controllers.split(',').any(|it| it == "memory") => Some(("/sys/fs/cgroup/memory", "memory.limit_in_bytes", group)),
        _ => None,
    }
}

/// The limits of a group and of those that it is in. In a container its own one may be seen as the outermost.
fn limits(root: &str, file: &str, group: &str, read: &impl Fn(&Path) -> Option<String>) -> Vec<u64> {
    let groups = Path::new(group.trim_start_matches('/')).ancestors();
    groups.filter_map(|it| read(&Path::new(root).join(it).join(file))?.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOTAL: (&str, &str) = ("/proc/meminfo", "MemTotal:        8000 kB\nMemFree:          100 kB\n");

    fn usable_of(files: &[(&str, &str)]) -> Option<u64> {
        usable(|path| files.iter().find(|it| Path::new(it.0) == path).map(|it| it.1.to_owned()))
    }

    #[test]
    fn the_least_limit_counts() {
        let second = ("/proc/self/cgroup", "0::/outer/inner\n");
        let first = ("/proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/a\n");
        for (files, kibibytes) in [
            (&[TOTAL][..], 8000),
            (&[TOTAL, second], 8000),
            (&[TOTAL, second, ("/sys/fs/cgroup/outer/inner/memory.max", "max\n")], 8000),
            (&[TOTAL, second, ("/sys/fs/cgroup/outer/inner/memory.max", "1024000\n")], 1000),
            (&[TOTAL, second, ("/sys/fs/cgroup/outer/inner/memory.max", "max\n"), ("/sys/fs/cgroup/outer/memory.max", "2048000\n")], 2000),
            (&[TOTAL, ("/proc/self/cgroup", "0::/\n"), ("/sys/fs/cgroup/memory.max", "3072000\n")], 3000),
            (&[TOTAL, second, ("/sys/fs/cgroup/outer/memory.max", "102400000000\n")], 8000),
            (&[TOTAL, first, ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "4096000\n")], 4000),
            (&[TOTAL, first, ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")], 8000),
            (&[TOTAL, first, ("/sys/fs/cgroup/cpu,cpuacct/a/memory.limit_in_bytes", "1\n")], 8000),
        ] {
            assert_eq!(usable_of(files), Some(kibibytes * 1024), "{files:?}");
        }
    }

    #[test]
    fn a_system_that_does_not_tell_has_none() {
        assert_eq!(usable_of(&[]), None);
        assert_eq!(usable_of(&[("/proc/meminfo", "MemFree: 1 kB")]), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_memory() {
        let bytes = memory_bytes();
        assert!(bytes.is_some_and(|it| 64 << 20 < it), "{bytes:?}");
    }
}
