//! The access log: one JSON object per request in `DIR/logs/access.log`.
//!
//! A request appends its line to a buffer in memory, under a lock held for the formatting alone; one thread
//! takes the buffer every so often and writes it out. A disk that cannot keep up loses lines, never requests:
//! the buffer has a bound, and what was lost is counted in the log itself. Files are rotated by size.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use protocols::{AccessLine, AccessLog};

const FILE: &str = "access.log";
/// Size at which a file is put aside, in bytes.
const FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Files put aside: `access.log.1` is the youngest.
const OLD_FILES_MAX: u32 = 4;
/// Lines wait for this long at most before they are written out.
const FLUSH_INTERVAL: Duration = Duration::from_millis(250);
/// Bytes that wait to be written out; lines beyond it are dropped.
const BUFFER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A buffer larger than this is given back after it was written out, in bytes.
const BUFFER_BYTES_KEPT: usize = 64 * 1024;

/// The log; dropped, it writes out what is left.
pub struct FileAccessLog {
    shared: Arc<Shared>,
    writer: Option<thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// There is something to write out, or the log ends.
    wake: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    dropped: u64,
    ended: bool,
    /// The second last formatted, and its text: requests come many to a second.
    second: u64,
    text: String,
}

impl FileAccessLog {
    pub fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut file = Rotating::open(dir.join(FILE), FILE_BYTES_MAX)?;
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        let writer = thread::Builder::new().name("access-log".to_owned()).spawn(move || seen.write_out(&mut file))?;
        Ok(Self { shared, writer: Some(writer) })
    }
}

impl AccessLog for FileAccessLog {
    fn write(&self, line: &AccessLine<'_>) {
        let mut waiting = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.lines.len() >= BUFFER_BYTES_MAX {
            waiting.dropped += 1;
            return;
        }
        let first = waiting.lines.is_empty();
        waiting.append(line);
        drop(waiting);
        if first {
            self.shared.wake.notify_one();
        }
    }
}

impl Drop for FileAccessLog {
    fn drop(&mut self) {
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
        self.shared.wake.notify_one();
        if let Some(writer) = self.writer.take() {
            // A panic in the writer has been reported by the thread itself.
            let _ = writer.join();
        }
    }
}

impl Waiting {
    fn append(&mut self, line: &AccessLine<'_>) {
        let request = line.request;
        let (second, millis) = (request.at_ms / 1000, request.at_ms % 1000);
        if self.second != second || self.text.is_empty() {
            self.second = second;
            let instant = i64::try_from(second).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
            self.text = instant.unwrap_or_default().to_string();
            self.text.pop();
        }
        let Self { lines, text, .. } = self;
        // Writing into memory does not fail.
        let _ = write!(
            lines,
            "{{\"at\":\"{text}.{millis:03}Z\",\"id\":\"{}\",\"peer\":\"{}\"",
            request.request_id, line.arrival.peer
        );
        let _ = write!(lines, ",\"https\":{},\"service\":\"{}\"", line.arrival.https, request.service);
        for (name, value) in [
            ("environment", line.environment),
            ("access_key", line.access_key),
            ("operation", Some(request.operation)),
            ("method", Some(request.method.as_str())),
            ("path", Some(request.path.as_str())),
            ("error", request.error.as_deref()),
        ] {
            let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
            let _ = write!(lines, ",\"{name}\":");
            let _ = serde_json::to_writer(&mut *lines, value);
        }
        let _ = writeln!(
            lines,
            ",\"status\":{},\"bytes_in\":{},\"bytes_out\":{},\"us\":{}}}",
            request.status, request.bytes_in, request.bytes_out, request.duration_us
        );
    }
}

impl Shared {
    fn write_out(&self, file: &mut Rotating) {
        let mut taken = Vec::new();
        let mut complained = false;
        loop {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            while waiting.lines.is_empty() && !waiting.ended {
                waiting = self.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            // Let a bundle gather; an ending log does not wait.
            let (mut waiting, _) = self
                .wake
                .wait_timeout_while(waiting, FLUSH_INTERVAL, |waiting| !waiting.ended)
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut waiting.lines, &mut taken);
            let dropped = std::mem::take(&mut waiting.dropped);
            let ended = waiting.ended;
            drop(waiting);
            if dropped > 0 {
                let _ = writeln!(taken, "{{\"dropped_lines\":{dropped}}}");
            }
            match file.write(&taken) {
                Ok(()) => complained = false,
                Err(error) if !complained => {
                    tracing::warn!("the access log cannot be written: {error}");
                    complained = true;
                }
                Err(_) => {}
            }
            taken.clear();
            taken.shrink_to(BUFFER_BYTES_KEPT);
            if ended {
                return;
            }
        }
    }
}

/// A file that is put aside when it has grown to its bound.
struct Rotating {
    path: PathBuf,
    file: File,
    written: u64,
    bytes_max: u64,
}

impl Rotating {
    fn open(path: PathBuf, bytes_max: u64) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(&path)?;
        let written = file.metadata()?.len();
        Ok(Self { path, file, written, bytes_max })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.written >= self.bytes_max {
            self.rotate()?;
        }
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        for age in (1..OLD_FILES_MAX).rev() {
            match fs::rename(self.aside(age), self.aside(age + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, self.aside(1))?;
        *self = Self::open(std::mem::take(&mut self.path), self.bytes_max)?;
        Ok(())
    }

    fn aside(&self, age: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{age}"));
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use storage::environments::RequestRecord;

    use super::*;

    fn request(path: &str) -> RequestRecord {
        RequestRecord {
            at_ms: 1_700_000_000_007,
            request_id: "R1".to_owned(),
            service: "aws_s3",
            operation: "GetObject",
            method: "GET".to_owned(),
            path: path.to_owned(),
            status: 200,
            bytes_in: 0,
            bytes_out: 5,
            duration_us: 42,
            error: None,
        }
    }

    #[test]
    fn a_line_is_json_whatever_the_path() {
        let dir = tempfile::tempdir().expect("a directory");
        let log = FileAccessLog::open(dir.path()).expect("opens");
        let attribute = |_: &str| true;
        let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 5));
        let arrival = protocols::Arrival { https: false, peer, attribute: &attribute };
        let paths = ["/b/k", "/b/\"quoted\"\n", "/ü"];
        for path in paths {
            let request = request(path);
            log.write(&AccessLine {
                environment: Some("env-a"),
                access_key: None,
                arrival: &arrival,
                request: &request,
            });
        }
        drop(log);
        let text = fs::read_to_string(dir.path().join(FILE)).expect("the file");
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), paths.len());
        for (line, path) in lines.iter().zip(paths) {
            assert_eq!(line["path"], path);
            assert_eq!(line["at"], "2023-11-14T22:13:20.007Z");
            assert_eq!(line["us"], 42);
        }
    }

    #[test]
    fn files_are_put_aside_and_bounded_in_number() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut file = Rotating::open(dir.path().join(FILE), 10).expect("opens");
        for round in 0..20 {
            file.write(format!("round {round:04}\n").as_bytes()).expect("written");
        }
        let names = fs::read_dir(dir.path()).expect("the directory").count();
        assert_eq!(names, 1 + OLD_FILES_MAX as usize);
        let youngest = fs::read_to_string(dir.path().join("access.log.1")).expect("put aside");
        assert_eq!(youngest, "round 0018\n");
    }
}
