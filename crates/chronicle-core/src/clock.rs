//! Nanoseconds since the Unix epoch.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime};

use crate::platform;

/// For so long the time is reckoned from what the system said before it is asked again: a clock that is set is followed as soon.
const RECKONED_NS: u64 = 100_000;
/// How long the ticks are counted to know their rate. In a longer time the machine may have been suspended.
const MEASURED_NS: (u64, u64) = (10_000_000, 1_000_000_000);
/// Whose two looks are further apart, about a microsecond, was held up in between, and says nothing about when the system was asked.
const HELD_UP_TICKS: u64 = 4096;
/// Billionths of a second in a tick, in 2^-32: from 10 GHz to 100 MHz.
const RATES: (u64, u64) = ((1 << 32) / 10, 10 << 32);

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
/// within [`RECKONED_NS`] behind an answer, the counter alone says how much later it is. That is exact to some nanoseconds.
#[derive(Debug)]
pub(crate) struct Clock<S = System> {
    source: S,
    counts: bool,
    /// What the system said, and the tick at which it was asked.
    asked: (u64, u64),
    /// For so many ticks from there on the time is reckoned.
    valid: u64,
    /// Nanoseconds in a tick, in 2^-32; 0 as long as that is not known.
    rate: u64,
    /// The tick and the time since which the ticks are counted.
    since: Option<(u64, u64)>,
}

impl<S: Source> Clock<S> {
    pub(crate) fn new(source: S) -> Self {
        Self { counts: source.counts(), source, asked: (0, 0), valid: 0, rate: 0, since: None }
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
        let tick = self.source.ticks();
        let now = self.source.now_ns();
        let known = self.at_once(tick) && (self.rate > 0 || self.measure(tick));
        self.valid = if known { (RECKONED_NS << 32) / self.rate } else { 0 };
        self.asked = (now, tick);
        now
    }

    /// Learns the rate of the ticks, once enough of them are counted. Returns whether it is known.
    #[cold]
    fn measure(&mut self, tick: u64) -> bool {
        let steady = self.source.steady_ns();
        if !self.at_once(tick) {
            return false;
        }
        if let Some((first, start)) = self.since {
            let (ticks, ns) = (tick.wrapping_sub(first), steady.saturating_sub(start));
            if ns < MEASURED_NS.0 {
                return false;
            }
            if ns <= MEASURED_NS.1 {
                let rate = (u128::from(ns) << 32) / u128::from(ticks.max(1));
                self.rate =
                    u64::try_from(rate).ok().filter(|rate| (RATES.0..=RATES.1).contains(rate)).unwrap_or(0);
            }
        }
        self.since = Some((tick, steady));
        self.rate > 0
    }

    fn at_once(&self, tick: u64) -> bool {
        self.source.ticks().wrapping_sub(tick) <= HELD_UP_TICKS
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A machine of which everything can be set. Each look takes some ticks.
    #[derive(Default)]
    struct Machine {
        steady: Cell<u64>,
        set_by: Cell<u64>,
        ticks: Cell<u64>,
        /// Ticks in ten nanoseconds.
        speed: Cell<u64>,
        /// Nanoseconds that a look at the system's clock is held up, and at the steady one.
        held_up: Cell<u64>,
        held_up_steady: Cell<u64>,
        asked: Cell<u32>,
        ticks_lie: bool,
    }

    impl Machine {
        fn wait(&self, ns: u64) {
            self.steady.set(self.steady.get() + ns);
            self.ticks.set(self.ticks.get().wrapping_add(ns * self.speed.get() / 10));
        }

        fn true_ns(&self) -> u64 {
            self.steady.get() + self.set_by.get()
        }
    }

    impl Source for &Machine {
        fn counts(&self) -> bool {
            !self.ticks_lie
        }
        fn ticks(&self) -> u64 {
            self.ticks.get()
        }
        fn now_ns(&self) -> u64 {
            self.asked.set(self.asked.get() + 1);
            self.wait(self.held_up.get());
            let now = self.true_ns();
            self.wait(20);
            now
        }
        fn steady_ns(&self) -> u64 {
            self.wait(self.held_up_steady.get());
            self.steady.get()
        }
    }

    fn machine() -> Machine {
        let machine = Machine::default();
        machine.set_by.set(1_700_000_000_000_000_000);
        machine.speed.set(27);
        // Before the counter comes round.
        machine.ticks.set(u64::MAX - 1_000_000);
        machine
    }

    /// Looks at the clock a thousand times, and says how often it asked the system, and by how many nanoseconds it was off.
    fn look(machine: &Machine, clock: &mut Clock<&Machine>, pause: u64) -> (u32, u64) {
        let (asked, mut off) = (machine.asked.get(), 0);
        for _ in 0..1000 {
            machine.wait(pause);
            off = off.max(machine.true_ns().abs_diff(clock.now_ns()));
        }
        (machine.asked.get() - asked, off)
    }

    #[test]
    fn the_time_is_reckoned_once_the_rate_is_known() {
        let machine = machine();
        let mut clock = Clock::new(&machine);
        assert_eq!(look(&machine, &mut clock, 9_000), (1000, 0));
        look(&machine, &mut clock, 9_000);
        let (asked, off) = look(&machine, &mut clock, 1_000);
        assert!((8..=12).contains(&asked) && off <= 2, "{asked} {off}");
    }

    #[test]
    fn a_clock_that_is_set_is_followed() {
        let machine = machine();
        let mut clock = Clock::new(&machine);
        look(&machine, &mut clock, 20_000);
        for to in [1_800_000_000_000_000_000, 5, u64::MAX / 2] {
            machine.set_by.set(to);
            machine.wait(RECKONED_NS);
            assert!(look(&machine, &mut clock, 1_000).1 <= 2);
        }
    }

    #[test]
    fn who_is_held_up_asks_again() {
        let machine = machine();
        let mut clock = Clock::new(&machine);
        look(&machine, &mut clock, 20_000);
        machine.held_up.set(50_000);
        machine.wait(RECKONED_NS);
        let before = machine.asked.get();
        for _ in 0..5 {
            assert_eq!(clock.now_ns(), machine.true_ns() - 20);
        }
        assert_eq!(machine.asked.get() - before, 5);
        machine.held_up.set(0);
        assert!(look(&machine, &mut clock, 1_000).1 <= 2);
    }

    #[test]
    fn no_rate_is_learned_while_held_up() {
        for steady in [false, true] {
            let machine = machine();
            let held_up = if steady { &machine.held_up_steady } else { &machine.held_up };
            let mut clock = Clock::new(&machine);
            held_up.set(60_000);
            clock.now_ns();
            held_up.set(0);
            machine.wait(12_000_000);
            clock.now_ns();
            held_up.set(60_000);
            machine.wait(12_000_000);
            clock.now_ns();
            held_up.set(0);
            assert!(look(&machine, &mut clock, 1_000).1 <= 2);
        }
    }

    #[test]
    fn a_rate_is_not_learned_from_ticks_that_went_on_without_the_clock() {
        for (ns, ticks) in [
            (0, 1 << 40),
            (2_000_000_000, 2_700_000_000),
            (60_000_000_000, 1 << 30),
            (0, u64::MAX - (1 << 30)),
        ] {
            let machine = machine();
            let mut clock = Clock::new(&machine);
            clock.now_ns();
            machine.steady.set(machine.steady.get() + ns);
            machine.ticks.set(machine.ticks.get().wrapping_add(ticks));
            assert_eq!(clock.now_ns(), machine.true_ns() - 20, "{ns} {ticks}");
            machine.wait(20_000_000);
            clock.now_ns();
            let off = look(&machine, &mut clock, 1_000).1;
            assert!(off <= 2, "{ns} {ticks}: {off}");
        }
    }

    #[test]
    fn ticks_that_go_wrong_later_mislead_for_a_moment_only() {
        let machine = machine();
        let mut clock = Clock::new(&machine);
        look(&machine, &mut clock, 20_000);
        machine.speed.set(54);
        assert!(look(&machine, &mut clock, 1_000).1 <= RECKONED_NS);
        machine.ticks.set(machine.ticks.get() - 5000);
        assert!(look(&machine, &mut clock, 1_000).1 <= RECKONED_NS);
        machine.ticks.set(0);
        assert!(look(&machine, &mut clock, 1_000).1 <= RECKONED_NS);
    }

    #[test]
    fn without_ticks_the_system_is_asked_each_time() {
        let machine = Machine { ticks_lie: true, ..machine() };
        let mut clock = Clock::new(&machine);
        assert_eq!(look(&machine, &mut clock, 100_000).0, 1000);
        assert_eq!(look(&machine, &mut clock, 100).0, 1000);
    }

    #[test]
    fn this_machine_tells_the_time() {
        let mut clock = Clock::new(System::new());
        for _ in 0..200_000 {
            let (before, now, after) = (now_ns(), clock.now_ns(), now_ns());
            // A clock that is set meanwhile is told apart by what the system says itself.
            let off = before.saturating_sub(now).max(now.saturating_sub(after));
            assert!(off < 1_000_000 || after < before || after - before > 1_000_000, "{off} ns");
        }
    }
}
