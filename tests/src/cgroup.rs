//! A control group with a memory limit, where one can be made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// Where control groups are mounted.
const ROOT: &str = "/sys/fs/cgroup";

/// A group for one process; removed when this is dropped, after the process has ended.
pub struct MemoryGroup(PathBuf);

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
        let group = Self(folder);
        fs::write(group.0.join(limit), bytes.to_string()).map_err(failed)?;
        // Where swap is not counted, there is no such file.
        let _ = fs::write(group.0.join(swap), no_swap);
        Ok(group)
    }

    /// A command that runs `program` in the group, with its arguments and environment.
    #[must_use]
    pub fn wrap(&self, program: &Command) -> Command {
        let [shell, before @ ..] = self.before();
        let mut command = Command::new(shell);
        command.args(before).arg(program.get_program());
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
    pub fn before(&self) -> [PathBuf; 4] {
        let join = "echo $$ > \"$0\" && exec \"$@\"";
        ["/bin/sh".into(), "-c".into(), join.into(), self.0.join("cgroup.procs")]
    }

    /// The most that its processes ever took together, in bytes, caches included.
    #[must_use]
    pub fn peak(&self) -> Option<u64> {
        let read = |file| fs::read_to_string(self.0.join(file)).ok()?.trim().parse().ok();
        read("memory.max_usage_in_bytes").or_else(|| read("memory.peak"))
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // A process that was killed leaves its group a moment later.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}
