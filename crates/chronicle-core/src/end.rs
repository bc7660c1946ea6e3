//! Where the log ends for readers before a writer has recovered it: where that recovery will cut it.

use crate::chronicle::Inner;
use crate::error::{ErrorKind, Result};
use crate::record::Place;
use crate::segment::Segment;
use crate::walk::{Stop, walk};

/// Whether a segment that cannot be opened is one whose header a power cut may have taken, and not one of a later version.
pub(crate) fn may_be_lost(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::EmptyFile | ErrorKind::Truncated | ErrorKind::BadMagic | ErrorKind::Corrupt)
}

/// The seq behind the last message that recovery will keep: the same walk that it makes, and nothing is changed.
///
/// After a power cut any message at or behind the durable point may be missing or damaged, in any segment. The end is where the first is.
pub(crate) fn sound_end(inner: &Inner) -> Result<u64> {
    loop {
        let left = inner.control.first_seq();
        match walk_to_end(inner) {
            // A segment was pruned while it was looked at: the rest is left.
            Err(e) if e.kind() == ErrorKind::NotFound && inner.control.first_seq() != left => {}
            other => return other,
        }
    }
}

fn walk_to_end(inner: &Inner) -> Result<u64> {
    let (bases, durable) = (inner.bases()?, inner.control.stored_durable());
    let first = bases.partition_point(|&base| base < durable).saturating_sub(1);
    let mut end: Option<Place> = None;
    for (index, &base) in bases.iter().enumerate().skip(first) {
        // Afresh: a reader may hold an empty segment whose name a larger one has taken.
        let opened = Segment::open(&inner.directory, base, &inner.control.identity.chronicle_id, false);
        let segment = match (opened, end) {
            (Ok(segment), None) => segment,
            (Ok(segment), Some(end)) if end.seq == base && segment.start().follows(&end) => segment,
            (Ok(_), Some(_)) => break,
            (Err(e), Some(_)) if may_be_lost(e.kind()) => break,
            (Err(e), _) => return Err(e),
        };
        let walked = walk(&segment)?;
        end = Some(walked.end());
        // A roll that did not get to its END is finished by the recovery.
        let rolled = bases.get(index + 1) == Some(&walked.place.seq) && walked.batch.is_none();
        match walked.stop {
            Stop::Sealed => {}
            Stop::Unpublished if rolled => {}
            Stop::Unpublished | Stop::Bad(_) => break,
        }
    }
    // Damage below the durable point is no end: who reads there gets the error.
    Ok(end.map_or(durable, |end| end.seq.max(durable)))
}
