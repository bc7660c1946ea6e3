//! The segments that one opening has mapped for reading: once for all of its readers, and the last few beyond them.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::sync::{Arc, Weak};

use crate::error::Result;
use crate::platform;
use crate::segment::Segment;

/// How many segments stay mapped that no reader is in, so that reading them again meets no page faults. Windows removes no file that
/// is mapped, so there none does.
const KEPT: usize = if cfg!(windows) { 0 } else { 8 };

/// By the first seq of each.
#[derive(Debug, Default)]
pub(crate) struct Mapped {
    known: HashMap<u64, Weak<Segment>>,
    recent: VecDeque<Arc<Segment>>,
}

impl Mapped {
    /// The segment that starts at `base`, by `open` where it is not mapped. What retention has removed before `first_seq` is let go.
    pub(crate) fn get(
        &mut self,
        base: u64,
        first_seq: u64,
        open: impl FnOnce() -> Result<Segment>,
    ) -> Result<Arc<Segment>> {
        self.recent.retain(|segment| segment.header.base_seq >= first_seq);
        if let Some(segment) = self.known.get(&base).and_then(Weak::upgrade)
            && has_its_name(&segment)
            // The file may have its pages again.
            && !segment.region.broken()
        {
            self.keep(&segment);
            return Ok(segment);
        }
        self.forget(base);
        let segment = Arc::new(open()?);
        self.known.retain(|_, segment| segment.strong_count() > 0);
        self.known.insert(base, Arc::downgrade(&segment));
        self.keep(&segment);
        Ok(segment)
    }

    /// Keeps the segment, and lets go of the one that was asked for the longest time ago.
    fn keep(&mut self, segment: &Arc<Segment>) {
        self.recent.retain(|kept| !Arc::ptr_eq(kept, segment));
        self.recent.push_front(Arc::clone(segment));
        self.recent.truncate(KEPT);
    }

    /// Has the segment that starts at `base` opened anew when it is asked for next: another file may have its name by now.
    pub(crate) fn forget(&mut self, base: u64) {
        self.known.remove(&base);
        self.recent.retain(|segment| segment.header.base_seq != base);
    }
}

/// Whether the file that is mapped still has its name. A reader may stand for long in one that is pruned or set aside, or in an empty
/// one that a larger one has replaced.
fn has_its_name(segment: &Segment) -> bool {
    fs::symlink_metadata(&segment.path).is_ok_and(|metadata| {
        Some(platform::file_id(&metadata)) == segment.file_id && metadata.len() == segment.end()
    })
}
