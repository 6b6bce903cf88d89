//! The data file: an append-only log of JSON lines, compacted by rewriting.
//!
//! Every commit is written to the file before it is visible in memory, by one `write` call
//! and without `fsync`: a SIGKILL loses nothing, a power cut may lose the newest lines. A
//! line cut short at the end is dropped on opening; damage anywhere else is an error that
//! names the line. The file is private to the user, since it holds the token and Secrets,
//! and locked, since two servers on one file would destroy it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A log below this size is never rewritten while the server runs.
const COMPACT_ABOVE_BYTES: u64 = 64 << 20;
/// How many times its last compacted size the log may reach.
const COMPACT_FACTOR: u64 = 4;
const FORMAT: &str = "polyreme-apiserver/1";

/// Why a data file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Another server has the file open.
    #[error("failed to lock data file {0}: another server uses it; stop that one or name another file")]
    Locked(PathBuf),
    /// The operating system refused.
    #[error("failed to {verb} data file {path}")]
    Io {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it was refused.
        source: io::Error,
    },
    /// A line is not what this program writes.
    #[error(
        "failed to read data file {path} at line {line}: it is damaged or no polyreme data file; move it away to start empty"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
}

/// The first line.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Header {
    format: String,
    /// What the server needs to be the same server again: keys, tokens, port.
    identity: Value,
}

/// Every further line: an object at a key, or its removal.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) revision: u64,
    pub(crate) storage: String,
    pub(crate) path: String,
    pub(crate) object: Option<Value>,
}

#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    bytes: u64,
    compacted_bytes: u64,
    header: Header,
}

/// An opened data file and what it held.
pub(crate) struct Opened {
    pub(crate) log: Log,
    /// `Null` in a new file.
    pub(crate) identity: Value,
    pub(crate) records: Vec<Record>,
}

impl Log {
    /// Opens or creates the file, locks it, and reads it whole.
    pub(crate) fn open(path: &Path) -> Result<Opened, LogError> {
        let mut file = open_private(path).map_err(|e| fault("open", path, e))?;
        lock(&file, path)?;
        let (lines, bytes) = read_lines(&file).map_err(|e| fault("read", path, e))?;
        file.set_len(bytes).map_err(|e| fault("trim", path, e))?;
        file.seek(SeekFrom::End(0)).map_err(|e| fault("read", path, e))?;
        let (header, records) = parse(&lines, path)?;
        let identity = header.identity.clone();
        let path = path.to_owned();
        let log = Log { path, file, bytes, compacted_bytes: bytes, header };
        Ok(Opened { log, identity, records })
    }

    /// Adds one record; on failure the file is as before.
    pub(crate) fn append(&mut self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        if let Err(error) = self.file.write_all(&line) {
            self.file.set_len(self.bytes)?;
            return Err(error);
        }
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Whether so much of the log is history that it should be rewritten.
    pub(crate) fn wants_compaction(&self) -> bool {
        self.bytes > COMPACT_ABOVE_BYTES.max(self.compacted_bytes.saturating_mul(COMPACT_FACTOR))
    }

    /// Sets what `open` gives back as identity; takes effect at the next `rewrite`.
    pub(crate) fn set_identity(&mut self, identity: Value) {
        self.header.identity = identity;
    }

    /// Replaces the file by one that holds just these records.
    pub(crate) fn rewrite(&mut self, records: impl Iterator<Item = Record>) -> Result<(), LogError> {
        let path = self.path.clone();
        let new = self.write_aside(records).map_err(|e| fault("rewrite", &path, e))?;
        lock(&new.0, &path)?;
        std::fs::rename(aside(&path), &path).map_err(|e| fault("replace", &path, e))?;
        (self.file, self.bytes) = new;
        self.compacted_bytes = self.bytes;
        Ok(())
    }

    fn write_aside(&self, records: impl Iterator<Item = Record>) -> io::Result<(File, u64)> {
        let mut file = open_private(&aside(&self.path))?;
        file.set_len(0)?;
        let mut out = BufWriter::new(&mut file);
        serde_json::to_writer(&mut out, &self.header)?;
        out.write_all(b"\n")?;
        for record in records {
            serde_json::to_writer(&mut out, &record)?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
        drop(out);
        file.sync_all()?;
        let bytes = file.stream_position()?;
        Ok((file, bytes))
    }
}

fn fault(verb: &'static str, path: &Path, source: io::Error) -> LogError {
    LogError::Io { verb, path: path.to_owned(), source }
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path)
}

fn lock(file: &File, path: &Path) -> Result<(), LogError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(LogError::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(fault("lock", path, error)),
    }
}

/// The complete lines and the bytes they take; a last line without its newline is left out.
fn read_lines(file: &File) -> io::Result<(Vec<String>, u64)> {
    let mut reader = BufReader::new(file);
    let (mut lines, mut bytes) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        let read = reader.read_line(&mut line)?;
        if read == 0 || !line.ends_with('\n') {
            return Ok((lines, bytes));
        }
        bytes += read as u64;
        lines.push(line);
    }
}

fn parse(lines: &[String], path: &Path) -> Result<(Header, Vec<Record>), LogError> {
    let damaged = |line| LogError::Damaged { path: path.to_owned(), line };
    let Some((first, rest)) = lines.split_first() else {
        return Ok((Header { format: FORMAT.to_owned(), identity: Value::Null }, Vec::new()));
    };
    let header: Header = serde_json::from_str(first).map_err(|_| damaged(1))?;
    if header.format != FORMAT {
        return Err(damaged(1));
    }
    let record = |(at, line): (usize, &String)| serde_json::from_str(line).map_err(|_| damaged(at + 2));
    let records = rest.iter().enumerate().map(record).collect::<Result<_, _>>()?;
    Ok((header, records))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(revision: u64) -> Record {
        Record { revision, storage: "/pods".into(), path: "n/p".into(), object: Some(json!({"r": revision})) }
    }

    fn written(dir: &Path) -> PathBuf {
        let path = dir.join("data");
        let mut log = Log::open(&path).unwrap().log;
        log.set_identity(json!({"token": "t"}));
        log.rewrite([record(1)].into_iter()).unwrap();
        log.append(&record(2)).unwrap();
        path
    }

    #[test]
    fn what_was_written_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let opened = Log::open(&written(dir.path())).unwrap();
        assert_eq!(opened.identity, json!({"token": "t"}));
        let revisions: Vec<u64> = opened.records.iter().map(|r| r.revision).collect();
        assert_eq!(revisions, [1, 2]);
    }

    #[test]
    fn a_line_cut_short_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path());
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"revision\":3,\"sto").unwrap();
        drop(file);
        let mut opened = Log::open(&path).unwrap();
        assert_eq!(opened.records.len(), 2);
        opened.log.append(&record(3)).unwrap();
        drop(opened);
        assert_eq!(Log::open(&path).unwrap().records.len(), 3);
    }

    #[test]
    fn damage_in_the_middle_is_an_error_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        std::fs::write(&path, "{\"format\":\"polyreme-apiserver/1\",\"identity\":null}\nrubbish\n").unwrap();
        assert!(matches!(Log::open(&path), Err(LogError::Damaged { line: 2, .. })));
    }

    #[test]
    fn a_file_in_use_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path());
        let _first = Log::open(&path).unwrap();
        assert!(matches!(Log::open(&path), Err(LogError::Locked(_))));
    }
}
