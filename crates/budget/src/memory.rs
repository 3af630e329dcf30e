//! How much memory the process may take, and takes.

use std::fs;
use std::path::{Path, PathBuf};

use glimpse_settings::Environment;

use crate::lambda;

/// Where control groups are mounted.
const CGROUPS: &str = "/sys/fs/cgroup";
/// Without a limit, version 1 shows a number of this size.
const UNLIMITED: u64 = 1 << 60;
/// Assumed where the system does not say.
const UNKNOWN: u64 = 1 << 30;
/// Unless the system has pages of another size, which only makes the estimate of the own use smaller.
const PAGE: u64 = 4096;

/// The memory that the process may take, in bytes: the least of the limits of its control groups, of
/// Lambda's memory size, and of the machine's memory.
#[must_use]
pub fn limit() -> u64 {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = [
        group_limit(Path::new(CGROUPS), &groups),
        lambda::memory(&Environment).ok().flatten().map(|memory| memory.limit),
        machine(&fs::read_to_string("/proc/meminfo").unwrap_or_default()),
    ];
    limits.into_iter().flatten().min().unwrap_or(UNKNOWN)
}

/// The memory that the process takes now, in bytes; 0 where the system does not say.
#[must_use]
pub fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
    pages.map_or(0, |pages| pages * PAGE)
}

/// The most memory that the process ever took, in bytes; 0 where the system does not say.
#[must_use]
pub fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    kibibytes(&status, "VmHWM:").unwrap_or_default() << 10
}

fn machine(meminfo: &str) -> Option<u64> {
    Some(kibibytes(meminfo, "MemTotal:")? << 10)
}

/// A line of `/proc`'s files, such as `VmHWM:     1024 kB`.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// The least limit of the groups that `/proc/self/cgroup` names, and of the groups around them. In a
/// container the names are those outside of it, so what is not found there is looked for at the top.
fn group_limit(mount: &Path, groups: &str) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let (root, file): (PathBuf, _) = match controllers {
            "" => (mount.to_owned(), "memory.max"),
            list if list.split(',').any(|name| name == "memory") => {
                (mount.join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let path = path.trim_start_matches('/');
        let folders = Path::new(path).ancestors().map(|folder| root.join(folder).join(file));
        folders.filter_map(|file| read_limit(&file)).min()
    });
    limits.min()
}

fn read_limit(file: &Path) -> Option<u64> {
    let bytes: u64 = fs::read_to_string(file).ok()?.trim().parse().ok()?;
    (bytes < UNLIMITED).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_group_counts() {
        let mount = std::env::temp_dir().join(format!("glimpse-groups-{}", std::process::id()));
        let write = |path: &str, text: &str| {
            let path = mount.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("system.slice/memory.max", "1073741824\n");
        write("system.slice/glimpse.service/memory.max", "max\n");
        write("memory/box/memory.limit_in_bytes", "536870912\n");
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        let limit = |groups| group_limit(&mount, groups);
        assert_eq!(limit("0::/system.slice/glimpse.service\n"), Some(1 << 30));
        assert_eq!(limit("7:cpu:/\n4:memory:/box\n0::/\n"), Some(512 << 20));
        // A name from outside of a container: only the top is there.
        assert_eq!(limit("4:memory:/docker/0123\n"), None);
        fs::write(mount.join("memory/memory.limit_in_bytes"), "268435456").unwrap();
        assert_eq!(limit("4:memory:/docker/0123\n"), Some(256 << 20));
        fs::remove_dir_all(&mount).unwrap();
    }

    #[test]
    fn this_machine_has_memory_and_this_process_takes_some() {
        assert_eq!(machine("MemTotal:       24624532 kB\nMemFree: 1 kB\n"), Some(24_624_532 << 10));
        assert!(limit() > resident() && resident() > 0);
        assert!(peak() > 0);
    }
}
