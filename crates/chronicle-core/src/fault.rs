//! Places where a test stops the process as a crash would. Without the feature `fault` they are nothing.

/// Aborts the process when `CHRONICLE_FAULT` names this point, as `name` or as `name:count` for the count-th passing.
#[cfg(feature = "fault")]
pub(crate) fn point(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};
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
}

/// Does nothing: the feature `fault` is off.
#[cfg(not(feature = "fault"))]
#[inline]
pub(crate) fn point(_name: &str) {}
