//! Memory of a process, as Linux counts it.
//!
//! From `smaps_rollup`, which looks at every page: `status` is off by up to 64 pages for each CPU, which is much
//! of a small process. Only the peak is nowhere else.

use std::fs;

use anyhow::{Context, Result};

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Resident, the program's own code included.
    pub resident: u64,
    /// Resident without files: heap, stacks, instances.
    pub anonymous: u64,
    /// The most that was ever resident, or since [`Memory::forget_peak`].
    pub peak: u64,
    /// Resident, with what several processes share divided among them.
    pub proportional: u64,
}

impl Memory {
    /// That of the process with this id.
    ///
    /// # Errors
    /// When there is none, or this is not Linux.
    pub fn of(process: u32) -> Result<Self> {
        let read = |file: &str| {
            let path = format!("/proc/{process}/{file}");
            fs::read_to_string(&path)
                .with_context(|| format!("failed to read the memory of a process from {path}"))
        };
        Self::parse(&read("status")?, &read("smaps_rollup")?)
    }

    /// Lets [`Memory::peak`] of a process begin anew.
    ///
    /// # Errors
    /// When there is no such process, or this is not Linux.
    pub fn forget_peak(process: u32) -> Result<()> {
        // proc_pid_clear_refs(5): 5 resets the peak of what is resident.
        fs::write(format!("/proc/{process}/clear_refs"), "5").context("failed to reset the peak of a process")
    }

    fn parse(status: &str, rollup: &str) -> Result<Self> {
        Ok(Self {
            resident: field(rollup, "Rss")?,
            anonymous: field(rollup, "Anonymous")?,
            peak: field(status, "VmHWM")?,
            proportional: field(rollup, "Pss")?,
        })
    }
}

fn field(text: &str, name: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let value =
        line.and_then(|line| line.trim().strip_suffix(" kB")).with_context(|| format!("no {name}"))?;
    let kibibytes: u64 = value.parse().with_context(|| format!("{name} is {value:?}"))?;
    Ok(kibibytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_of_each_sort() {
        let memory = Memory::of(std::process::id()).unwrap();
        assert!(memory.anonymous > 0 && memory.anonymous < memory.resident, "{memory:?}");
        assert!(memory.proportional <= memory.resident && memory.peak > memory.anonymous, "{memory:?}");
    }

    #[test]
    fn a_field_in_another_unit_is_an_error() {
        let error = field("VmRSS:\t 12 MB\n", "VmRSS").unwrap_err();
        assert_eq!(error.to_string(), "no VmRSS");
    }
}
