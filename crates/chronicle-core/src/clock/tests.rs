//! A clock on a machine of which everything can be set.

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
    looked: Cell<u32>,
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
        self.looked.set(self.looked.get() + 1);
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

/// Asserts that who looks in quick succession asks the system seldom, and gets the right time.
fn assert_reckons(machine: &Machine, clock: &mut Clock<&Machine>) {
    let (asked, off) = look(machine, clock, 1_000);
    assert!(asked < 20 && off <= LOOK, "{asked} {off}");
}

/// What a look at the machine's own clock takes, which nobody can see.
const LOOK: u64 = 20;

#[test]
fn the_time_is_reckoned_once_two_rates_agree() {
    let machine = machine();
    let mut clock = Clock::new(&machine);
    assert_eq!(look(&machine, &mut clock, 9_000), (1000, 0));
    assert_eq!(look(&machine, &mut clock, 9_000).0, 1000);
    look(&machine, &mut clock, 9_000);
    let (asked, off) = look(&machine, &mut clock, 1_000);
    assert!((8..=12).contains(&asked) && off <= LOOK, "{asked} {off}");
}

#[test]
fn a_clock_that_is_set_is_followed() {
    let machine = machine();
    let mut clock = Clock::new(&machine);
    look(&machine, &mut clock, 50_000);
    for to in [1_800_000_000_000_000_000, 5, u64::MAX / 2] {
        machine.set_by.set(to);
        machine.wait(RECKONED_NS);
        assert_reckons(&machine, &mut clock);
    }
}

#[test]
fn who_is_held_up_asks_again() {
    let machine = machine();
    let mut clock = Clock::new(&machine);
    look(&machine, &mut clock, 50_000);
    machine.held_up.set(50_000);
    machine.wait(RECKONED_NS);
    let before = machine.asked.get();
    for _ in 0..5 {
        assert_eq!(clock.now_ns(), machine.true_ns() - LOOK);
    }
    assert_eq!(machine.asked.get() - before, 5);
    machine.held_up.set(0);
    assert_reckons(&machine, &mut clock);
}

#[test]
fn who_is_always_held_up_looks_at_no_tick_any_more() {
    let machine = machine();
    let mut clock = Clock::new(&machine);
    machine.held_up.set(5_000);
    look(&machine, &mut clock, 50_000);
    let before = machine.looked.get();
    assert_eq!(look(&machine, &mut clock, 50).0, 1000);
    assert_eq!(machine.looked.get(), before);
}

#[test]
fn no_rate_is_learned_while_held_up() {
    for steady in [false, true] {
        let machine = machine();
        let held_up = if steady { &machine.held_up_steady } else { &machine.held_up };
        let mut clock = Clock::new(&machine);
        for turn in 0..6 {
            machine.wait(12_000_000);
            held_up.set(if turn % 2 == 0 { 5_000 } else { 0 });
            clock.now_ns();
        }
        held_up.set(0);
        assert!(look(&machine, &mut clock, 1_000).1 <= LOOK);
    }
}

#[test]
fn no_rate_is_learned_from_ticks_that_went_on_without_the_clock() {
    for (ns, ticks) in [
        (0, 1 << 40),
        (2_000_000_000, 2_700_000_000),
        (60_000_000_000, 1 << 30),
        (0, u64::MAX - (1 << 30)),
        (50_000_000, 300_000_000),
    ] {
        let machine = machine();
        let mut clock = Clock::new(&machine);
        // Before anything is known, and once all is.
        for _ in 0..2 {
            clock.now_ns();
            machine.steady.set(machine.steady.get() + ns);
            machine.ticks.set(machine.ticks.get().wrapping_add(ticks));
            assert_eq!(clock.now_ns(), machine.true_ns() - LOOK, "{ns} {ticks}");
            let off = look(&machine, &mut clock, 1_000).1;
            assert!(off <= LOOK, "{ns} {ticks}: {off}");
            let asked = look(&machine, &mut clock, 50_000).0;
            assert!(asked > 400, "{ns} {ticks}: {asked}");
            assert!(look(&machine, &mut clock, 1_000).0 < 20, "{ns} {ticks}");
        }
    }
}

#[test]
fn ticks_of_another_rate_are_noticed() {
    for speed in [54, 5] {
        let machine = machine();
        let mut clock = Clock::new(&machine);
        look(&machine, &mut clock, 50_000);
        machine.speed.set(speed);
        // Too few ticks come for the time that they stand for.
        assert!(look(&machine, &mut clock, 1_000).1 <= RECKONED_NS * 27 / speed);
        look(&machine, &mut clock, 50_000);
        assert_reckons(&machine, &mut clock);
    }
}

#[test]
fn ticks_that_jump_mislead_for_a_moment_only() {
    let machine = machine();
    let mut clock = Clock::new(&machine);
    look(&machine, &mut clock, 50_000);
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
    let start = Instant::now();
    let mut wrong = 0;
    while start.elapsed() < std::time::Duration::from_millis(100) {
        let (before, now, after) = (now_ns(), clock.now_ns(), now_ns());
        let off = before.saturating_sub(now).max(now.saturating_sub(after));
        // Once in a while the system's clock is set, and is followed soon.
        if off > 1_000_000 && after.wrapping_sub(before) < 1_000_000 {
            wrong += 1;
            assert!(wrong < 10, "{off} ns");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}
