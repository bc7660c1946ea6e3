//! Watches a run of the log below its seam, and cuts the power at random.

use std::io;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard};

use chronicle_core::fault::{Call, Recorder};

use super::dice::Dice;
use super::disk::{Disk, Image};
use super::model::Promises;

/// The name of the directory of the log, below the root of the disk.
pub const LOG: &str = "log";

/// A moment at which the power went, or the processes ended.
#[derive(Debug)]
pub struct Cut {
    /// What was being done.
    pub when: String,
    pub image: Image,
    pub promises: Promises,
    /// The durable point that readers had been told.
    pub claimed: u64,
}

#[derive(Debug)]
pub struct Watch {
    state: Mutex<State>,
    /// Whether the helper thread of the writer may go on. It does only while the appender waits, so that each run is the same.
    gate: Mutex<bool>,
    opened: Condvar,
}

#[derive(Debug)]
struct State {
    disk: Disk,
    dice: Dice,
    promises: Promises,
    cuts: Vec<Cut>,
    /// The chance of an image at each moment, in percent.
    chance: u64,
}

impl Watch {
    pub fn start(root: &Path, seed: u64, chance: u64, promises: Promises) -> Self {
        let (disk, dice) = (Disk::load(root), Dice::new(seed));
        let state = State { disk, dice, promises, cuts: Vec::new(), chance };
        Self { state: Mutex::new(state), gate: Mutex::new(false), opened: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Changes what is promised from now on.
    pub fn promise<T>(&self, change: impl FnOnce(&mut Promises) -> T) -> T {
        change(&mut self.state().promises)
    }

    /// Lets the helper thread go on, or stop before its next call.
    pub fn open_gate(&self, open: bool) {
        *self.gate.lock().unwrap() = open;
        self.opened.notify_all();
    }

    /// A moment between two operations.
    pub fn idle(&self) {
        self.moment("between operations", true);
    }

    /// The images of all cuts so far.
    pub fn take(&self) -> Vec<Cut> {
        std::mem::take(&mut self.state().cuts)
    }

    fn pass(&self) {
        if std::thread::current().name() == Some("chronicle-prepare") {
            let gate = self.gate.lock().unwrap();
            drop(self.opened.wait_while(gate, |open| !*open).unwrap());
        }
    }

    fn moment(&self, when: &str, look: bool) {
        let mut state = self.state();
        let chance = state.chance;
        let taken = state.dice.percent(chance);
        if look && (taken || state.dice.percent(30)) {
            state.disk.look();
        }
        if taken {
            state.cut(when);
        }
    }
}

impl State {
    fn cut(&mut self, when: &str) {
        let Self { disk, dice, promises, cuts, .. } = self;
        let images = 1 + dice.below(3);
        for _ in 0..images {
            let image = if dice.percent(15) {
                // The appender may have gone on since the last look, beside the helper thread of `everyMs`.
                disk.look();
                disk.killed()
            } else {
                disk.cut(dice)
            };
            let claimed = disk.claimed(LOG);
            cuts.push(Cut { when: when.to_owned(), image, promises: promises.clone(), claimed });
        }
    }
}

impl Recorder for Watch {
    fn before(&self, call: &Call<'_>) -> io::Result<()> {
        self.pass();
        // What is stored up to here may be what the call makes durable.
        self.state().disk.look();
        self.moment(&format!("before {call:?}"), false);
        Ok(())
    }

    fn after(&self, call: &Call<'_>, done: bool) {
        if done {
            self.state().disk.done(call);
        }
        self.moment(&format!("after {call:?}"), false);
    }

    fn point(&self, name: &str) {
        self.pass();
        self.moment(name, true);
    }
}
