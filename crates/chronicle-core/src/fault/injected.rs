//! The hooks behind the feature `fault`.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::Call;

mod failing;

/// Who is told of every call of the seam. One at a time, for the whole process.
pub trait Recorder: Send + Sync {
    /// A call is about to be done. An error is its outcome, and nothing is done.
    ///
    /// # Errors
    /// What the call shall fail with.
    fn before(&self, call: &Call<'_>) -> io::Result<()>;

    /// The call was done, or failed. Not told of calls that [`before`](Self::before) has refused.
    fn after(&self, call: &Call<'_>, done: bool);

    /// A step between calls, by its name.
    fn point(&self, _name: &str) {}
}

static RECORDER: RwLock<Option<Arc<dyn Recorder>>> = RwLock::new(None);

/// Tells `recorder` of every call from now on, or nobody.
pub fn record(recorder: Option<Arc<dyn Recorder>>) {
    *RECORDER.write().unwrap_or_else(PoisonError::into_inner) = recorder;
}

fn recorder() -> Option<Arc<dyn Recorder>> {
    RECORDER.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Does a call, and tells of it.
pub(crate) fn through<'a, T>(
    call: impl FnOnce() -> Call<'a>,
    act: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    let recorder = recorder();
    if recorder.is_none() && !failing::wanted() {
        return act();
    }
    let call = call();
    failing::fail(&call)?;
    let Some(recorder) = recorder else { return act() };
    recorder.before(&call)?;
    let outcome = act();
    recorder.after(&call, outcome.is_ok());
    outcome
}

/// Aborts the process when `CHRONICLE_FAULT` names this point, as `name` or as `name:count` for the count-th passing.
pub(crate) fn point(name: &str) {
    static WANTED: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static PASSED: AtomicU32 = AtomicU32::new(0);
    let wanted = WANTED.get_or_init(|| {
        let wanted = std::env::var("CHRONICLE_FAULT").ok()?;
        let (name, count) = wanted.split_once(':').unwrap_or((&wanted, "1"));
        Some((name.to_owned(), count.parse().unwrap_or(1)))
    });
    if let Some((wanted, count)) = wanted
        && wanted == name
        && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *count
    {
        std::process::abort();
    }
    if let Some(recorder) = recorder() {
        recorder.point(name);
    }
}

/// Whether `CHRONICLE_PLANT` names this fault: the code does something wrong then, which a test has to find.
pub(crate) fn planted(name: &str) -> bool {
    static PLANT: OnceLock<Option<String>> = OnceLock::new();
    PLANT.get_or_init(|| std::env::var("CHRONICLE_PLANT").ok()).as_deref() == Some(name)
}
