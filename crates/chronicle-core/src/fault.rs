//! Places where a test stops the process as a crash would. Without the feature `fault` they are nothing.

/// Aborts the process when `CHRONICLE_FAULT` names this point, as `name` or as `name:count` for the count-th passing.
#[cfg(feature = "fault")]
pub(crate) fn point(name: &str) {
    use std::sync::atomic::{AtomicU32, Ordering};
    static PASSED: AtomicU32 = AtomicU32::new(0);
    let Ok(wanted) = std::env::var("CHRONICLE_FAULT") else { return };
    let (wanted, count) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    if wanted == name && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == count.parse().unwrap_or(1) {
        std::process::abort();
    }
}

/// Does nothing: the feature `fault` is off.
#[cfg(not(feature = "fault"))]
#[inline]
pub(crate) fn point(_name: &str) {}
