//! Nanoseconds since the Unix epoch.

use std::time::SystemTime;

/// The system's clock; a clock before 1970 counts as 1970, one after 2554 as its last nanosecond.
#[inline]
pub(crate) fn now_ns() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
