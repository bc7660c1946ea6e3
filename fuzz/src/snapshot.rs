//! A process that ends within an operation.

use std::path::PathBuf;
use std::sync::Mutex;
use std::thread::{self, ThreadId};

use chronicle_core::fault::{Call, Recorder};

use crate::place;

/// Copies the directory at a step of an operation: what a killed process leaves. Helper threads have steps of their own, at which the
/// thread that appends goes on, so no kill looks like them.
pub struct Snapshot {
    thread: ThreadId,
    from: PathBuf,
    to: PathBuf,
    left: Mutex<Option<u8>>,
}

impl Recorder for Snapshot {
    fn before(&self, _call: &Call<'_>) -> std::io::Result<()> {
        self.step();
        Ok(())
    }

    fn after(&self, _call: &Call<'_>, _done: bool) {}

    fn point(&self, _name: &str) {
        self.step();
    }
}

impl Snapshot {
    /// Of what the thread that asks for it does from now on, after so many steps.
    pub fn new(from: PathBuf, to: PathBuf, steps: u8) -> Self {
        Self { thread: thread::current().id(), from, to, left: Mutex::new(Some(steps)) }
    }

    fn step(&self) {
        if thread::current().id() != self.thread {
            return;
        }
        let mut left = self.left.lock().unwrap();
        match *left {
            Some(0) => {
                place::copy(&self.from, &self.to);
                *left = None;
            }
            Some(more) => *left = Some(more - 1),
            None => {}
        }
    }
}
