//! How fast an appender gets on, and so when its helper thread looks again by itself: waking a thread takes the appender 10 to 20 µs.

use std::time::{Duration, Instant};

/// A fast appender is looked at about once in so much that it stores.
const LOOK_BYTES: u64 = 1 << 20;
/// One that takes longer for it calls, which is once in a while then.
const SLOW: Duration = Duration::from_millis(50);
/// No look comes sooner after the last one, and none of less time says anything.
const SHORTEST: Duration = Duration::from_micros(200);

/// Where an appender was when it was looked at last.
#[derive(Debug)]
pub(crate) struct Pace {
    base: u64,
    end: u64,
    at: Instant,
    wait: Option<Duration>,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self { base: 0, end: 0, at: now, wait: None }
    }

    /// How long to wait before the next look. `None`: until the appender calls.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.wait
    }

    /// The appender is at `end` of the segment that starts at `base`.
    pub(crate) fn look(&mut self, base: u64, end: u64, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at);
        if elapsed < SHORTEST {
            return;
        }
        // What was stored before a roll is not counted: one look too few is made up for by a call.
        let stored = if base == self.base { end - self.end } else { end };
        let wait = elapsed.as_nanos() * u128::from(LOOK_BYTES) / u128::from(stored.max(1));
        let wait = Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX));
        *self = Self { base, end, at: now, wait: (wait <= SLOW).then_some(wait.max(SHORTEST)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_fast_appender_is_looked_at_once_a_mebibyte_and_a_slow_one_calls() {
        let start = Instant::now();
        let after = |micros| start + Duration::from_micros(micros);
        let mut pace = Pace::new(start);
        assert_eq!(pace.wait(), None);
        pace.look(7, 2 * MIB, after(20_000));
        assert_eq!(pace.wait(), Some(Duration::from_millis(10)));
        // Too soon to say anything.
        pace.look(7, 2 * MIB, after(20_100));
        assert_eq!(pace.wait(), Some(Duration::from_millis(10)));
        pace.look(7, 52 * MIB, after(21_000));
        assert_eq!(pace.wait(), Some(SHORTEST));
        // In the next segment.
        pace.look(9, MIB, after(71_000));
        assert_eq!(pace.wait(), Some(SLOW));
        pace.look(9, 2 * MIB, after(121_001));
        assert_eq!(pace.wait(), None);
        pace.look(9, 2 * MIB, after(125_000));
        assert_eq!(pace.wait(), None);
    }
}
