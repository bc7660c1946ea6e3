//! How far long work is: counters that another thread looks at, and the word by which it calls the work off.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// Watches work that takes long, such as [`verify_watched`](crate::verify_watched) and [`Chronicle::snapshot`](crate::Chronicle::snapshot),
/// from another thread.
///
/// ```
/// use chronicle_core::{Chronicle, ErrorKind, Options, Progress, verify_watched};
///
/// let dir = tempfile::tempdir()?;
/// Chronicle::open(dir.path(), &Options::default())?;
/// let progress = Progress::default();
/// verify_watched(dir.path(), &progress)?;
/// assert_eq!((progress.segments(), progress.total_segments()), (1, 1));
///
/// progress.stop();
/// assert_eq!(verify_watched(dir.path(), &progress).unwrap_err().kind(), ErrorKind::Aborted);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Progress {
    segments: AtomicU64,
    total_segments: AtomicU64,
    bytes: AtomicU64,
    total_bytes: AtomicU64,
    stopped: AtomicBool,
}

impl Progress {
    /// Segments that are done.
    #[must_use]
    pub fn segments(&self) -> u64 {
        self.segments.load(Ordering::Relaxed)
    }

    /// Segments in all, as far as is known: a writer that rolls meanwhile adds to them.
    #[must_use]
    pub fn total_segments(&self) -> u64 {
        self.total_segments.load(Ordering::Relaxed)
    }

    /// Bytes of segment files that are done.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes of segment files in all, as far as is known.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes.load(Ordering::Relaxed)
    }

    /// Asks the work to end soon, with [`ErrorKind::Aborted`].
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// The error of work that was called off.
    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        if self.stopped.load(Ordering::Relaxed) { Err(stopped()) } else { Ok(()) }
    }

    pub(crate) fn set_totals(&self, segments: u64, bytes: u64) {
        self.total_segments.store(segments, Ordering::Relaxed);
        self.total_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn set_segments(&self, done: u64) {
        self.segments.store(done, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn set_bytes(&self, done: u64) {
        self.bytes.store(done, Ordering::Relaxed);
    }
}

#[cold]
fn stopped() -> Error {
    Error::new(ErrorKind::Aborted, "the work was called off")
}
