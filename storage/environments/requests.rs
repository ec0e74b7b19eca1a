//! The last requests that reached an environment, for `GET /environments/{id}/requests`. In memory only.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Requests kept of an environment in use.
const KEPT: usize = 1000;
/// Requests kept once nobody has used it for a while: a thousand idle environments must stay small.
const KEPT_IDLE: usize = 50;
/// Longer paths are cut, in bytes: they are the client's, and 1,000 are kept.
const PATH_BYTES_MAX: usize = 1024;

/// One request, as `GET /environments/{id}/requests` shows it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RequestRecord {
    pub at_ms: u64,
    pub request_id: String,
    pub service: &'static str,
    pub operation: &'static str,
    pub method: String,
    pub path: String,
    pub status: u16,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub duration_us: u64,
    /// The wire's error code, where the answer was an error.
    pub error: Option<String>,
}

/// A request and its place in the log.
#[derive(Clone, Debug, serde::Serialize)]
pub struct LoggedRequest {
    /// Grows by one with each request; hand the last one back as `after`.
    pub sequence: u64,
    #[serde(flatten)]
    pub request: RequestRecord,
}

#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct RequestPage {
    /// Oldest first.
    pub requests: Vec<LoggedRequest>,
    /// Hand it back as `after` to get what came since.
    pub next: u64,
}

pub(super) struct RequestLog(Mutex<Ring>);

struct Ring {
    /// Sequence number of the newest request, or one below the first to come.
    last: u64,
    kept: VecDeque<RequestRecord>,
}

impl RequestLog {
    /// `start` is above every sequence number of an earlier run, so that a cursor survives a restart.
    pub fn new(start: u64) -> Self {
        Self(Mutex::new(Ring { last: start, kept: VecDeque::new() }))
    }

    fn ring(&self) -> std::sync::MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn push(&self, mut request: RequestRecord) {
        cut(&mut request.path);
        let oldest = {
            let mut ring = self.ring();
            ring.last += 1;
            let oldest = if ring.kept.len() == KEPT { ring.kept.pop_front() } else { None };
            ring.kept.push_back(request);
            oldest
        };
        // Freed outside the lock.
        drop(oldest);
    }

    pub fn page(&self, after: u64, limit: usize) -> RequestPage {
        let ring = self.ring();
        let first = ring.last + 1 - ring.kept.len() as u64;
        let skip = usize::try_from(after.saturating_add(1).saturating_sub(first)).unwrap_or(usize::MAX);
        let from = first + skip as u64;
        let requests: Vec<_> = (from..)
            .zip(ring.kept.iter().skip(skip).take(limit))
            .map(|(sequence, request)| LoggedRequest { sequence, request: request.clone() })
            .collect();
        let next = requests.last().map_or(after.max(first - 1).min(ring.last), |r| r.sequence);
        RequestPage { requests, next }
    }

    /// Gives back memory of an environment that nobody uses.
    pub fn shrink(&self) {
        let mut ring = self.ring();
        let surplus = ring.kept.len().saturating_sub(KEPT_IDLE);
        ring.kept.drain(..surplus);
        ring.kept.shrink_to_fit();
    }
}

fn cut(path: &mut String) {
    if path.len() > PATH_BYTES_MAX {
        path.truncate(path.floor_char_boundary(PATH_BYTES_MAX));
        path.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str) -> RequestRecord {
        RequestRecord {
            at_ms: 0,
            request_id: String::new(),
            service: "aws_s3",
            operation: "GetObject",
            method: "GET".to_owned(),
            path: path.to_owned(),
            status: 200,
            bytes_in: 0,
            bytes_out: 0,
            duration_us: 0,
            error: None,
        }
    }

    #[test]
    fn pages_follow_the_cursor() {
        // After `pushed` requests from sequence 101 on: the sequences of a page, and its cursor.
        let check = |pushed: usize, after: u64, limit: usize, range: std::ops::Range<u64>, next: u64| {
            let log = RequestLog::new(100);
            (0..pushed).for_each(|n| log.push(request(&n.to_string())));
            let page = log.page(after, limit);
            let sequences: Vec<_> = page.requests.iter().map(|r| r.sequence).collect();
            assert_eq!(sequences, range.collect::<Vec<_>>(), "{pushed} pushed, after {after}");
            assert_eq!(page.next, next, "{pushed} pushed, after {after}");
            for r in &page.requests {
                assert_eq!(r.request.path, (r.sequence - 101).to_string());
            }
        };
        check(0, 0, 10, 0..0, 100);
        check(3, 0, 10, 101..104, 103);
        check(3, 0, 2, 101..103, 102);
        check(3, 102, 10, 103..104, 103);
        check(3, 103, 10, 0..0, 103);
        check(3, u64::MAX - 1, 10, 0..0, 103);
        check(2500, 0, 2, 1601..1603, 1602);
        check(2500, 2599, 10, 2600..2601, 2600);
    }

    #[test]
    fn it_stays_bounded() {
        let log = RequestLog::new(0);
        (0..5000).for_each(|_| log.push(request(&"é".repeat(2000))));
        let page = log.page(0, usize::MAX);
        assert_eq!(page.requests.len(), KEPT);
        assert!(page.requests.iter().all(|r| r.request.path.len() <= PATH_BYTES_MAX));
        log.shrink();
        let page = log.page(0, usize::MAX);
        assert_eq!((page.requests.len(), page.next), (KEPT_IDLE, 5000));
    }
}
