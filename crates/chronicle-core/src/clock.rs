//! Nanoseconds since the Unix epoch.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime};

use crate::platform;

#[cfg(test)]
mod tests;

/// For so long the time is reckoned from what the system said before it is asked again.
const RECKONED_NS: u64 = 100_000;
/// How long ticks are counted to know their rate, at least.
const MEASURED_NS: u64 = 10_000_000;
/// Who finds more ticks between two looks, some 0.4 µs, was held up, and does not know when the system was asked.
const HELD_UP_TICKS: u64 = 1024;
/// Who was held up so often in a row looks at something that takes too long: ticks are trapped, or the program is traced.
const HELD_UP_TIMES: u32 = 64;
/// Nanoseconds in a tick, in 2^-32: from 10 GHz to 100 MHz.
const RATES: (u64, u64) = ((1 << 32) / 10, 10 << 32);
/// Two measured rates that differ by less than this part of them agree.
const AGREEMENT: u64 = 1000;

/// The system's clock; a clock before 1970 counts as 1970, one after 2554 as its last nanosecond.
#[inline]
pub(crate) fn now_ns() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Where a [`Clock`] looks.
pub(crate) trait Source {
    /// Whether the ticks come at one rate, on all processors.
    fn counts(&self) -> bool;
    fn ticks(&self) -> u64;
    /// The system's clock, which may be set.
    fn now_ns(&self) -> u64;
    /// One that is never set.
    fn steady_ns(&self) -> u64;
}

/// The system's clock for one who looks at it all the time. Asking the system takes 20 ns, of which the processor's counter takes 9:
/// within [`RECKONED_NS`] behind an answer the counter alone says how much later it is, once two measurements in a row agree on its rate.
#[derive(Debug)]
pub(crate) struct Clock<S = System> {
    source: S,
    counts: bool,
    held_up: u32,
    /// What the system said, and the tick at which it was asked.
    asked: (u64, u64),
    /// For so many ticks from there on the time is reckoned.
    valid: u64,
    /// Nanoseconds in a tick, in 2^-32, as they were measured last.
    rate: u64,
    /// The ticks in [`RECKONED_NS`]; 0 as long as no two rates have agreed.
    window: u64,
    since: Option<Start>,
}

/// Since when ticks are counted.
#[derive(Debug, Clone, Copy)]
struct Start {
    tick: u64,
    now: u64,
    steady: u64,
}

impl<S: Source> Clock<S> {
    pub(crate) fn new(source: S) -> Self {
        Self {
            counts: source.counts(),
            source,
            held_up: 0,
            asked: (0, 0),
            valid: 0,
            rate: 0,
            window: 0,
            since: None,
        }
    }

    #[inline]
    pub(crate) fn now_ns(&mut self) -> u64 {
        if self.valid > 0 {
            let passed = self.source.ticks().wrapping_sub(self.asked.1);
            if passed < self.valid {
                return self.asked.0.saturating_add((passed * self.rate) >> 32);
            }
        }
        self.ask()
    }

    #[inline(never)]
    fn ask(&mut self) -> u64 {
        if !self.counts {
            return self.source.now_ns();
        }
        let before = self.source.ticks();
        let now = self.source.now_ns();
        let took = self.source.ticks().wrapping_sub(before);
        self.valid = 0;
        if took > HELD_UP_TICKS {
            self.held_up += 1;
            self.counts = self.held_up < HELD_UP_TIMES;
            return now;
        }
        self.held_up = 0;
        let tick = before.wrapping_add(took / 2);
        if self.since.is_none_or(|since| now.abs_diff(since.now) >= MEASURED_NS) {
            self.measure(tick, now);
        }
        (self.asked, self.valid) = ((now, tick), self.window);
        now
    }

    /// Measures the rate of the ticks since the last time, and counts on from here.
    #[cold]
    fn measure(&mut self, tick: u64, now: u64) {
        let steady = self.source.steady_ns();
        if self.source.ticks().wrapping_sub(tick) > HELD_UP_TICKS {
            return;
        }
        if let Some(since) = self.since {
            let (ticks, ns) = (tick.wrapping_sub(since.tick), steady.saturating_sub(since.steady));
            // The clock was set.
            if ns < MEASURED_NS {
                return;
            }
            let rate = (u128::from(ns) << 32) / u128::from(ticks.max(1));
            let rate =
                u64::try_from(rate).ok().filter(|rate| (RATES.0..=RATES.1).contains(rate)).unwrap_or(0);
            // One that was measured over a suspension agrees with none.
            let agreed = rate.abs_diff(self.rate) <= rate / AGREEMENT;
            self.rate = rate;
            self.window = if agreed { (RECKONED_NS << 32).checked_div(rate).unwrap_or(0) } else { 0 };
        }
        self.since = Some(Start { tick, now, steady });
    }
}

/// This machine.
#[derive(Debug)]
pub(crate) struct System {
    start: Instant,
}

impl System {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Source for System {
    fn counts(&self) -> bool {
        static COUNTS: OnceLock<bool> = OnceLock::new();
        *COUNTS.get_or_init(platform::ticks_are_steady)
    }

    #[inline]
    fn ticks(&self) -> u64 {
        platform::ticks()
    }

    fn now_ns(&self) -> u64 {
        now_ns()
    }

    fn steady_ns(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
