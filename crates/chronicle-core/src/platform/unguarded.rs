//! No guard is needed: Windows truncates no file that is mapped, and the model checker maps none.

use std::io;

/// Never: no page is lost.
#[inline]
pub(crate) fn hit() -> bool {
    false
}

/// A mapped range.
#[derive(Debug)]
pub(crate) struct Guard;

impl Guard {
    #[expect(clippy::unnecessary_wraps, reason = "the twin with signals can fail")]
    pub(crate) fn new(_address: *const u8, _len: usize, _writable: bool) -> io::Result<Self> {
        Ok(Self)
    }

    #[expect(clippy::unused_self, reason = "the twin with signals asks its range")]
    pub(crate) fn broken(&self) -> bool {
        false
    }
}
