//! A control group with limits of memory and processor time, where one can be made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// Where control groups are mounted.
const ROOT: &str = "/sys/fs/cgroup";

/// Microseconds in which a group may take its processor time.
const PERIOD: u64 = 100_000;

/// A group for one process; removed when this is dropped, after the process has ended.
pub struct MemoryGroup {
    folder: PathBuf,
    /// Version 1 limits processor time by another group.
    processor: Option<PathBuf>,
}

impl MemoryGroup {
    /// A group whose processes together may take `bytes`, without swap.
    ///
    /// # Errors
    /// Why none can be made here: usually for lack of permission.
    pub fn new(name: &str, bytes: u64) -> Result<Self, String> {
        let root = Path::new(ROOT);
        let name = format!("glimpse-{name}-{}", std::process::id());
        let version_1 = root.join("memory/memory.limit_in_bytes").exists();
        let (folder, limit, swap, no_swap) = if version_1 {
            let folder = root.join("memory").join(name);
            (folder, "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", bytes.to_string())
        } else {
            (root.join(name), "memory.max", "memory.swap.max", "0".to_owned())
        };
        let failed = |error: std::io::Error| format!("no control group can be made: {error}");
        fs::create_dir(&folder).map_err(failed)?;
        let group = Self { folder, processor: None };
        fs::write(group.folder.join(limit), bytes.to_string()).map_err(failed)?;
        // Where swap is not counted, there is no such file.
        let _ = fs::write(group.folder.join(swap), no_swap);
        Ok(group)
    }

    /// The same, with no more than `thousandths` of a processor.
    ///
    /// # Errors
    /// As [`MemoryGroup::new`].
    pub fn with_processor(mut self, thousandths: u64) -> Result<Self, String> {
        let quota = PERIOD * thousandths / 1000;
        let failed = |error: std::io::Error| format!("processor time cannot be limited: {error}");
        let version_1 = Path::new(ROOT).join("cpu");
        if version_1.join("cpu.cfs_quota_us").exists() {
            let folder = version_1.join(self.folder.file_name().unwrap_or_default());
            fs::create_dir(&folder).map_err(failed)?;
            let folder = &*self.processor.insert(folder);
            fs::write(folder.join("cpu.cfs_period_us"), PERIOD.to_string()).map_err(failed)?;
            fs::write(folder.join("cpu.cfs_quota_us"), quota.to_string()).map_err(failed)?;
        } else {
            let limit = format!("{quota} {PERIOD}");
            fs::write(self.folder.join("cpu.max"), limit).map_err(failed)?;
        }
        Ok(self)
    }

    fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.folder].into_iter().chain(&self.processor)
    }

    /// A command that runs `program` in the group, with its arguments and environment.
    #[must_use]
    pub fn wrap(&self, program: &Command) -> Command {
        let before = self.before();
        let mut command = Command::new(&before[0]);
        command.args(&before[1..]).arg(program.get_program());
        command.args(program.get_args()).env_clear();
        for (name, value) in program.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command
    }

    /// What stands before a command that is to run in the group.
    #[must_use]
    pub fn before(&self) -> Vec<PathBuf> {
        let join = "echo $$ > \"$0\" && exec \"$@\"";
        let joins = |folder: &PathBuf| {
            ["/bin/sh".into(), "-c".into(), join.into(), folder.join("cgroup.procs")]
        };
        self.folders().flat_map(joins).collect()
    }

    /// The most that its processes ever took together, in bytes, caches included.
    #[must_use]
    pub fn peak(&self) -> Option<u64> {
        let read = |file| fs::read_to_string(self.folder.join(file)).ok()?.trim().parse().ok();
        read("memory.max_usage_in_bytes").or_else(|| read("memory.peak"))
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // A process that was killed leaves its group a moment later.
        for folder in self.folders() {
            for _ in 0..100 {
                if fs::remove_dir(folder).is_ok() {
                    break;
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
}
