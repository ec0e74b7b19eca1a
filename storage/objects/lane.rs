//! A lane: pieces of a body in order through one piece of work, on threads that may block, beside the task that
//! receives them. No thread waits for pieces: a job runs while there are some and ends when there are none, so that any
//! number of slow clients hold no thread.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::Fault;

/// Pieces that wait in a lane, beside the one being worked on. Bounds the memory of a body in flight.
const PIECES_WAITING_MAX: usize = 2;

/// Neighbouring chunks as they came in.
pub(crate) type Piece = Arc<Vec<Bytes>>;

pub(crate) trait Work: Send + 'static {
    fn take(&mut self, piece: &[Bytes]) -> Result<(), Fault>;
}

/// Dropped, it forgets the pieces that wait; the work itself is dropped when the running job ends.
pub(crate) struct Lane<W: Work>(Arc<Shared<W>>);

struct Shared<W> {
    state: Mutex<State<W>>,
    progress: Notify,
}

struct State<W> {
    waiting: VecDeque<Piece>,
    /// The work, while no job runs.
    idle: Option<W>,
    failed: Option<Fault>,
}

impl<W: Work> Lane<W> {
    pub fn new(work: W) -> Self {
        let state = State { waiting: VecDeque::new(), idle: Some(work), failed: None };
        Self(Arc::new(Shared { state: Mutex::new(state), progress: Notify::new() }))
    }

    /// Waits while the lane is full. Fails once an earlier piece has.
    pub async fn push(&self, piece: Piece) -> Result<(), Fault> {
        loop {
            {
                let mut state = self.0.state();
                if let Some(fault) = state.failed.take() {
                    return Err(fault);
                }
                if state.waiting.len() < PIECES_WAITING_MAX {
                    state.waiting.push_back(piece);
                    if let Some(work) = state.idle.take() {
                        let shared = Arc::clone(&self.0);
                        tokio::task::spawn_blocking(move || shared.run(work));
                    }
                    return Ok(());
                }
            }
            self.0.progress.notified().await;
        }
    }

    /// The work, once it has taken every piece.
    pub async fn finish(self) -> Result<W, Fault> {
        loop {
            {
                let mut state = self.0.state();
                if let Some(fault) = state.failed.take() {
                    return Err(fault);
                }
                if let Some(work) = state.idle.take() {
                    return Ok(work);
                }
            }
            self.0.progress.notified().await;
        }
    }
}

impl<W: Work> Drop for Lane<W> {
    fn drop(&mut self) {
        self.0.state().waiting.clear();
    }
}

impl<W: Work> Shared<W> {
    fn state(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut work: W) {
        loop {
            let next = {
                let mut state = self.state();
                let next = state.waiting.pop_front();
                if next.is_none() {
                    state.idle = Some(work);
                    self.progress.notify_one();
                    return;
                }
                next
            };
            self.progress.notify_one();
            if let Some(piece) = next
                && let Err(fault) = work.take(&piece)
            {
                let mut state = self.state();
                state.failed = Some(fault);
                state.waiting.clear();
                // The work goes with the job: what it holds is let go of.
                drop(work);
                drop(state);
                self.progress.notify_one();
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Collect(Vec<u8>, Option<usize>);

    impl Work for Collect {
        fn take(&mut self, piece: &[Bytes]) -> Result<(), Fault> {
            for bytes in piece {
                self.0.extend_from_slice(bytes);
            }
            match self.1 {
                Some(limit) if self.0.len() > limit => Err(Fault::StorageFull),
                _ => Ok(()),
            }
        }
    }

    #[tokio::test]
    async fn pieces_keep_their_order() {
        let lane = Lane::new(Collect(Vec::new(), None));
        let mut want = Vec::new();
        for n in 0..200u8 {
            want.extend_from_slice(&[n, n]);
            lane.push(Arc::new(vec![Bytes::from(vec![n]), Bytes::from(vec![n])])).await.expect("push");
        }
        assert_eq!(lane.finish().await.expect("finish").0, want);
    }

    #[tokio::test]
    async fn a_failure_reaches_the_sender() {
        let lane = Lane::new(Collect(Vec::new(), Some(10)));
        let mut result = Ok(());
        for n in 0..100u8 {
            result = lane.push(Arc::new(vec![Bytes::from(vec![n])])).await;
            if result.is_err() {
                break;
            }
        }
        let result = match result {
            Ok(()) => lane.finish().await.map(|_| ()),
            failed => failed,
        };
        assert!(matches!(result, Err(Fault::StorageFull)));
    }
}
