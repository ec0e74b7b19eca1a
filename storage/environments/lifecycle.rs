//! When an environment closes, stops and ends: one pure function of what is known about it.
//!
//! Expiry goes by the environment's own clock, so that a user can try it out by moving that clock. The grace after
//! it goes by the machine's clock: no jump of a clock deletes data at once.

use super::record::{State, StopReason};

/// An expired environment keeps its data for this long, in milliseconds.
pub(super) const EXPIRED_GRACE_MS: u64 = 24 * 3_600_000;

/// What is known about an environment at one moment; times are the machine's unless they say otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    pub state: State,
    pub stopped: Option<(StopReason, u64)>,
    /// By the environment's clock.
    pub expires_ms: Option<u64>,
    pub clock_offset_ms: u64,
    pub idle_stop_s: Option<u64>,
    pub last_used_ms: u64,
    /// Its engines are open.
    pub open: bool,
    /// Somebody holds them.
    pub held: bool,
    pub idle_close_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    Close,
    Stop(StopReason),
    Delete,
}

pub(super) fn step(it: &Situation, now_ms: u64) -> Step {
    let idle_ms = now_ms.saturating_sub(it.last_used_ms);
    match (it.state, it.stopped) {
        (State::Stopped, Some((StopReason::Expired, since))) if now_ms.saturating_sub(since) >= EXPIRED_GRACE_MS => {
            Step::Delete
        }
        (State::Stopped, _) if it.open && !it.held => Step::Close,
        (State::Ready, _) if it.expires_ms.is_some_and(|at| now_ms.saturating_add(it.clock_offset_ms) >= at) => {
            Step::Stop(StopReason::Expired)
        }
        (State::Ready, _) if !it.held && it.idle_stop_s.is_some_and(|s| idle_ms >= s.saturating_mul(1000)) => {
            Step::Stop(StopReason::Idle)
        }
        (State::Ready, _) if it.open && !it.held && idle_ms >= it.idle_close_ms => Step::Close,
        (State::Stopped | State::Ready, _) => Step::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: Situation = Situation {
        state: State::Ready,
        stopped: None,
        expires_ms: None,
        clock_offset_ms: 0,
        idle_stop_s: None,
        last_used_ms: 1_000_000,
        open: false,
        held: false,
        idle_close_ms: 30_000,
    };
    const OPEN: Situation = Situation { open: true, ..READY };
    const HELD: Situation = Situation { held: true, ..OPEN };

    const fn stopped(reason: StopReason) -> Situation {
        Situation { state: State::Stopped, stopped: Some((reason, 1_000_000)), ..READY }
    }

    #[test]
    fn steps() {
        let check =
            |it: Situation, now_ms: u64, expected: Step| assert_eq!(step(&it, now_ms), expected, "{it:?} {now_ms}");
        check(READY, 9_000_000, Step::Nothing);
        // Closing.
        check(OPEN, 1_029_999, Step::Nothing);
        check(OPEN, 1_030_000, Step::Close);
        check(HELD, 9_000_000, Step::Nothing);
        check(OPEN, 0, Step::Nothing);
        // Idle stop.
        let idle = Some(60);
        check(Situation { idle_stop_s: idle, ..READY }, 1_059_999, Step::Nothing);
        check(Situation { idle_stop_s: idle, ..READY }, 1_060_000, Step::Stop(StopReason::Idle));
        check(Situation { idle_stop_s: idle, ..OPEN }, 1_045_000, Step::Close);
        check(Situation { idle_stop_s: idle, ..HELD }, 9_000_000, Step::Nothing);
        check(Situation { idle_stop_s: Some(u64::MAX), ..READY }, 9_000_000, Step::Nothing);
        // Expiry, by the environment's clock; it waits for nobody.
        let expires = Situation { expires_ms: Some(2_000_000), ..READY };
        check(expires, 1_999_999, Step::Nothing);
        check(expires, 2_000_000, Step::Stop(StopReason::Expired));
        check(Situation { clock_offset_ms: 500_000, ..expires }, 1_499_999, Step::Nothing);
        check(Situation { clock_offset_ms: 500_000, ..expires }, 1_500_000, Step::Stop(StopReason::Expired));
        check(Situation { expires_ms: Some(2_000_000), ..HELD }, 2_000_000, Step::Stop(StopReason::Expired));
        // Stopped.
        check(stopped(StopReason::Asked), u64::MAX, Step::Nothing);
        check(stopped(StopReason::Idle), u64::MAX, Step::Nothing);
        check(Situation { open: true, ..stopped(StopReason::Asked) }, 1_000_000, Step::Close);
        check(Situation { open: true, held: true, ..stopped(StopReason::Asked) }, 9_000_000, Step::Nothing);
        check(stopped(StopReason::Expired), 1_000_000 + EXPIRED_GRACE_MS - 1, Step::Nothing);
        check(stopped(StopReason::Expired), 1_000_000 + EXPIRED_GRACE_MS, Step::Delete);
        check(Situation { clock_offset_ms: u64::MAX, ..stopped(StopReason::Expired) }, 1_000_001, Step::Nothing);
    }
}
