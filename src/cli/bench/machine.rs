//! The machine that the figures belong to.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::Serialize;

/// A description of this machine; null for facts that the system does not tell.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Machine {
    pub(super) cores: usize,
    pub(super) processor: Option<String>,
    pub(super) memory_bytes: Option<u64>,
    pub(super) kernel: Option<String>,
    /// Of the directory with the server's data.
    pub(super) disk: Option<String>,
}

impl Machine {
    /// Describes this machine, and the disk of a directory.
    pub(super) fn describe(dir: Option<&Path>) -> Self {
        let read = |path: &str| fs::read_to_string(path).ok();
        let disk = dir.and_then(|dir| {
            let device = fs::metadata(dir).ok()?.dev();
            disk(device, &read("/proc/self/mountinfo")?)
        });
        Self {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            processor: read("/proc/cpuinfo").and_then(|text| field(&text, "model name")),
            memory_bytes: read("/proc/meminfo").and_then(|text| memory(&text)),
            kernel: read("/proc/sys/kernel/osrelease").map(|text| format!("Linux {}", text.trim())),
            disk,
        }
    }

    /// Returns the description as pairs for a table.
    pub(super) fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = vec![("Cores", self.cores.to_string())];
        let mut add = |name, value: Option<String>| rows.extend(value.map(|value| (name, value)));
        add("Processor", self.processor.clone());
        add("Memory", self.memory_bytes.map(|bytes| format!("{} MiB", bytes >> 20)));
        add("System", self.kernel.clone());
        add("Disk", self.disk.clone());
        rows
    }
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory(text: &str) -> Option<u64> {
    let kibibytes: u64 = field(text, "MemTotal")?.split(' ').next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// Returns the file system of a device and, if it is known, the kind of disk.
fn disk(device: u64, mounts: &str) -> Option<String> {
    let number = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let mount = mounts
        .lines()
        .find(|line| line.split(' ').nth(2) == Some(number.as_str()))?;
    let kind = mount.split(" - ").nth(1)?.split(' ').next()?;
    // A partition has no queue of its own: its disk, the folder above, has.
    let rotational = ["queue", "../queue"]
        .iter()
        .find_map(|queue| fs::read_to_string(format!("/sys/dev/block/{number}/{queue}/rotational")).ok());
    let medium = match rotational.as_deref().map(str::trim) {
        Some("0") => ", solid state or virtual",
        Some("1") => ", rotating or virtual",
        _ => "",
    };
    Some(format!("{kind}{medium}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_from_the_system_s_texts() {
        let cpus = "processor\t: 0\nmodel name\t: Fast CPU @ 3 GHz\n\nmodel name\t: other\n";
        assert_eq!(field(cpus, "model name").as_deref(), Some("Fast CPU @ 3 GHz"));
        assert_eq!(memory("MemTotal:       2048 kB\n"), Some(2 << 20));
        let mounts = "30 1 0:999 / / rw,noatime shared:1 - ext4 /dev/vda rw\n";
        assert_eq!(disk(rustix::fs::makedev(0, 999), mounts).as_deref(), Some("ext4"));
        assert_eq!(disk(rustix::fs::makedev(9, 9), mounts), None);
    }

    #[test]
    fn unknown_facts_have_no_row() {
        let machine = Machine {
            cores: 2,
            processor: None,
            memory_bytes: Some(5 << 30),
            kernel: None,
            disk: None,
        };
        assert_eq!(
            machine.rows(),
            [("Cores", "2".to_owned()), ("Memory", "5120 MiB".to_owned())]
        );
    }
}
