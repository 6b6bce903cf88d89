//! Everything that happened in a simulation, line by line: a digest of all lines and the last of them.
//!
//! Two runs are the same run if their digests are.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::time::Duration;

use polyreme_ownership::slots::fnv1a;

/// Of FNV-1a-64, which the digest continues line by line.
const FNV_PRIME: u64 = 0x100_0000_01b3;
/// Lines that a failure shows.
const SHOWN: usize = 60;

/// See the module's story.
pub(crate) struct Log {
    digest: u64,
    lines: u64,
    last: VecDeque<String>,
    file: Option<BufWriter<File>>,
}

impl Log {
    pub(crate) fn new(file: Option<File>) -> Self {
        Self { digest: 0, lines: 0, last: VecDeque::new(), file: file.map(BufWriter::new) }
    }

    pub(crate) fn line(&mut self, at: Duration, what: fmt::Arguments<'_>) {
        let line = format!("{:>10.3} {what}", at.as_secs_f64());
        self.digest = (self.digest ^ fnv1a(line.as_bytes())).wrapping_mul(FNV_PRIME);
        self.lines += 1;
        if let Some(file) = &mut self.file {
            // The log is for people; a full disk must not change the outcome.
            let _ = writeln!(file, "{line}");
        }
        if self.last.len() == SHOWN {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// Of all lines in their order.
    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    /// How many.
    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    /// The last ones.
    pub(crate) fn tail(&self) -> String {
        self.last.iter().map(|line| format!("{line}\n")).collect()
    }
}
