//! Calls of the seam that fail because the environment says so: for harnesses that are not in this process.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::Call;

/// `CHRONICLE_FAIL=errno:first:times` lets so many calls fail from the `first` on, counted from 1. The file that
/// `CHRONICLE_FAIL_TOLD` names is told of each, a line a call.
struct Failing {
    errno: i32,
    first: u32,
    times: u32,
    calls: AtomicU32,
    told: Option<File>,
}

impl Failing {
    fn from_environment() -> Option<Self> {
        let wanted = std::env::var("CHRONICLE_FAIL").ok()?;
        let mut numbers = wanted.split(':').map(|number| number.parse::<u32>().ok());
        let mut next = || numbers.next().flatten();
        let told = std::env::var_os("CHRONICLE_FAIL_TOLD");
        Some(Self {
            errno: i32::try_from(next()?).ok()?,
            first: next()?,
            times: next()?,
            calls: AtomicU32::new(0),
            told: told.and_then(|path| OpenOptions::new().create(true).append(true).open(path).ok()),
        })
    }
}

fn failing() -> Option<&'static Failing> {
    static FAILING: OnceLock<Option<Failing>> = OnceLock::new();
    FAILING.get_or_init(Failing::from_environment).as_ref()
}

/// Whether calls are to fail in this process.
pub(super) fn wanted() -> bool {
    failing().is_some()
}

/// What this call is to fail with, if it is its turn.
pub(super) fn fail(call: &Call<'_>) -> io::Result<()> {
    let Some(failing) = failing() else { return Ok(()) };
    let number = failing.calls.fetch_add(1, Ordering::Relaxed) + 1;
    if !(failing.first..failing.first.saturating_add(failing.times)).contains(&number) {
        return Ok(());
    }
    if let Some(mut told) = failing.told.as_ref() {
        writeln!(told, "{call:?}")?;
    }
    Err(io::Error::from_raw_os_error(failing.errno))
}
