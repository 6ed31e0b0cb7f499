//! A small file system of its own, for a test that fills it.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// See the module. Unmounted when it is dropped.
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None`, said on stderr, where this user may not mount.
    pub fn mount(size: &str) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(folder.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            other => {
                eprintln!("skipped: a small file system can't be mounted here: {other:?}");
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the store may still have files open there.
        drop(Command::new("umount").arg("-l").arg(self.0.path()).status());
    }
}

/// Writes to a file until there is no room.
pub fn fill_up(path: &Path) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    for size in [1 << 20, 4096] {
        while std::io::Write::write_all(&mut file, &vec![0; size]).is_ok() {}
    }
}
