//! Giving old segments back: whole ones, oldest first, never the active one, and only when told what may go.

use std::time::Duration;

use crate::chronicle::{Chronicle, Inner};
use crate::clock;
use crate::disk;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::lock::FileLock;
use crate::observer::Event;
use crate::position;
use crate::segment::Segment;

/// How long one who has to prune waits for another who does.
pub(crate) const PRUNE_PATIENCE: Duration = Duration::from_secs(5);

/// What has to stay. A segment goes when any limit that is given no longer keeps it, unless a named reader has still to
/// read it. Without a limit nothing goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Segments go until the rest takes no more than this many bytes on the disk.
    pub keep_bytes: Option<u64>,
    /// Segments go whose last message is older than this many nanoseconds.
    pub keep_ns: Option<u64>,
    /// Segments go that hold none of this many last messages.
    pub keep_messages: Option<u64>,
    /// Segments stay that a named reader has still to read. Default: true. Alone it is a limit too: what all named readers
    /// have read goes; where there is no named reader, nothing goes.
    pub keep_unread: bool,
}

impl Default for Retention {
    fn default() -> Self {
        Self { keep_bytes: None, keep_ns: None, keep_messages: None, keep_unread: true }
    }
}

/// What a prune removed, or would remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PruneReport {
    /// How many segments.
    pub segments: u64,
    /// The bytes that they took on the disk.
    pub bytes: u64,
    /// The first seq that is left.
    pub first_seq: u64,
}

/// A segment that may go: the first seq behind it, and its bytes on the disk.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    next_base: u64,
    /// None where it is not there.
    bytes: Option<u64>,
}

impl Chronicle {
    /// Removes the segments that `retention` does not keep, or with `dry_run` only says which.
    ///
    /// Any process may prune, while another writes and others read, one at a time. A reader within a segment that is removed reads it to its
    /// end, and then gets [`ErrorKind::Gap`] with the first seq that is left.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] when another prune does not come to an end within 5 seconds, [`ErrorKind::ReadOnly`],
    /// [`ErrorKind::Permission`], and the kinds for damaged files: a position that cannot be read
    /// keeps everything.
    pub fn prune(&self, retention: &Retention, dry_run: bool) -> Result<PruneReport> {
        let inner = self.inner();
        if inner.options.read_only && !dry_run {
            return Err(Error::new(ErrorKind::ReadOnly, "the chronicle was opened for reading only")
                .at_path(inner.directory.path()));
        }
        if dry_run {
            let going = candidates(inner, retention, unread(inner, retention)?)?;
            return report(inner, &going, going.last().map(|last| last.next_base));
        }
        prune(inner, retention, PRUNE_PATIENCE)?.ok_or_else(|| {
            let message = "another handle prunes the chronicle and does not come to an end";
            Error::new(ErrorKind::Locked, message).at_path(&inner.directory.prune_lock())
        })
    }
}

/// See [`Chronicle::prune`]. Waits for another one that prunes; none when that one does not come to an end.
pub(crate) fn prune(inner: &Inner, retention: &Retention, wait: Duration) -> Result<Option<PruneReport>> {
    inner.control.check_writable()?;
    let path = inner.directory.prune_lock();
    let Some(_lock) = FileLock::acquire(&path, inner.options.mode, wait)? else { return Ok(None) };
    let unread_before = unread(inner, retention)?;
    let mut going = candidates(inner, retention, unread_before)?;
    if let Some(last) = going.last() {
        let synced = if retention.keep_unread { sync_positions(inner)? } else { None };
        keep(inner, last.next_base)?;
        // The intent stands before positions are looked at again: a reader that stores its position later sees the gap.
        let before = inner.control.first_seq();
        inner.control.set_first_seq(last.next_base);
        let looked = unread(inner, retention);
        let position = looked.as_ref().map_or(Some(0), |position| *position);
        // A reader that was moved back and has come here again since may be moved back by a power cut.
        let position = position.into_iter().chain(synced).min();
        going.retain(|candidate| position.is_none_or(|position| candidate.next_base <= position));
        let left = going.last().map_or(before, |last| last.next_base);
        keep(inner, left)?;
        inner.control.lower_first_seq(left);
        looked?;
    }
    // A segment that is missing below this word was pruned; after a power cut the word must still say so. Stored again, because a
    // flush that failed before may have left it clean and not on the disk.
    inner.control.lower_first_seq(inner.control.first_seq());
    if !fault::planted("prune.unannounced") {
        inner.control.flush()?;
    }
    fault::point("prune.intended");
    remove_pruned(inner, unread(inner, retention)?)?;
    let report = report(inner, &going, None)?;
    if report.segments > 0 {
        inner.observer.tell(|| Event::Pruned(report));
    }
    Ok(Some(report))
}

/// The lowest position of a named reader, where that keeps messages.
fn unread(inner: &Inner, retention: &Retention) -> Result<Option<u64>> {
    if retention.keep_unread { lowest_position(inner) } else { Ok(None) }
}

/// Makes the positions durable by which segments go: a power cut must not move a reader back to what is gone. Returns the lowest.
fn sync_positions(inner: &Inner) -> Result<Option<u64>> {
    let mut lowest: Option<u64> = None;
    for name in inner.directory.reader_names()? {
        match position::sync(&inner.directory, &name, &inner.control.identity.chronicle_id) {
            // Removed since the names were listed.
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            synced => lowest = Some(lowest.unwrap_or(u64::MAX).min(synced?)),
        }
    }
    Ok(lowest)
}

/// Makes sure that the first segment that is left is good, and that no power cut can take its header or its name. Before the word
/// that the log starts there, which may come to the disk at any time.
fn keep(inner: &Inner, base: u64) -> Result<()> {
    let segment = Segment::open(&inner.directory, base, &inner.control.identity.chronicle_id, true)?;
    segment.sync()?;
    inner.directory.sync()
}

/// Removes every segment before the first that is left, oldest first: also those that an earlier prune has left. One that was
/// killed with its intent stored has not looked at positions for the last time, so what holds `unread` stays.
fn remove_pruned(inner: &Inner, unread: Option<u64>) -> Result<()> {
    let left = inner.control.first_seq();
    let mut bases = inner.directory.segments()?;
    let unread = unread.and_then(|seq| bases.iter().copied().rfind(|&base| base <= seq));
    let end = unread.map_or(left, |base| base.min(left));
    // An index that was made of a segment while that was removed is left alone.
    bases.extend(inner.directory.indexes()?);
    bases.retain(|&base| base < end);
    bases.sort_unstable();
    bases.dedup();
    for &base in &bases {
        remove(inner, base)?;
        fault::point("prune.removed");
    }
    if bases.is_empty() { Ok(()) } else { inner.directory.sync() }
}

/// The segments that may go, oldest first. The last segment of all is not among them.
fn candidates(inner: &Inner, retention: &Retention, unread: Option<u64>) -> Result<Vec<Candidate>> {
    let going = candidates_among(inner, &inner.all_bases()?, retention, unread)?;
    if going.iter().all(|candidate| candidate.bytes.is_some()) {
        return Ok(going);
    }
    // Pruned by another handle meanwhile, or removed by hand.
    candidates_among(inner, &inner.list(Inner::bases)?, retention, unread)
}

fn candidates_among(
    inner: &Inner,
    bases: &[u64],
    retention: &Retention,
    unread: Option<u64>,
) -> Result<Vec<Candidate>> {
    // Before a recovery the first segment that is left must be one that it keeps.
    let sound = inner.unrecovered_end()?.unwrap_or(u64::MAX);
    let (next_seq, now) = (inner.next_seq()?, clock::now_ns());
    let sizes: Option<Vec<Option<u64>>> =
        retention.keep_bytes.map(|_| bases.iter().map(|&base| inner.disk_bytes(base)).collect());
    let mut left: Option<u64> = sizes.as_ref().map(|sizes| sizes.iter().flatten().sum());
    let limited =
        retention.keep_bytes.is_some() || retention.keep_ns.is_some() || retention.keep_messages.is_some();
    let mut going = Vec::new();
    for (index, pair) in bases.windows(2).enumerate() {
        let (base, next_base) = (pair[0], pair[1]);
        if unread.is_some_and(|position| next_base > position) || next_base >= sound {
            break;
        }
        let too_many_bytes = retention.keep_bytes.zip(left).is_some_and(|(keep, left)| left > keep);
        let too_many_messages =
            retention.keep_messages.is_some_and(|keep| next_seq.saturating_sub(next_base) >= keep);
        let read_by_all = !limited && unread.is_some();
        let goes =
            too_many_bytes || too_many_messages || read_by_all || too_old(inner, retention, next_base, now)?;
        if !goes {
            break;
        }
        let bytes = sizes.as_ref().map_or_else(|| inner.disk_bytes(base), |sizes| sizes[index]);
        going.push(Candidate { next_base, bytes });
        left = left.map(|left| left.saturating_sub(bytes.unwrap_or(0)));
    }
    Ok(going)
}

/// Whether the last message before `next_base` is older than is to be kept: the next segment's header holds its time.
fn too_old(inner: &Inner, retention: &Retention, next_base: u64, now: u64) -> Result<bool> {
    let Some(keep_ns) = retention.keep_ns else { return Ok(false) };
    let last = inner.segment(next_base)?.header.previous_timestamp_ns;
    Ok(now.saturating_sub(last) > keep_ns)
}

fn lowest_position(inner: &Inner) -> Result<Option<u64>> {
    let mut lowest: Option<u64> = None;
    for name in inner.directory.reader_names()? {
        match inner.position(&name) {
            Ok(stored) => lowest = Some(lowest.map_or(stored.next_seq, |seq| seq.min(stored.next_seq))),
            // Removed since the names were listed.
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(lowest)
}

fn report(inner: &Inner, going: &[Candidate], first_seq: Option<u64>) -> Result<PruneReport> {
    Ok(PruneReport {
        segments: going.len() as u64,
        bytes: going.iter().filter_map(|candidate| candidate.bytes).sum(),
        first_seq: first_seq.map_or_else(|| inner.first_seq(), Ok)?,
    })
}

/// Removes a segment after its index, so that no index is ever left alone.
fn remove(inner: &Inner, base: u64) -> Result<()> {
    for path in [inner.directory.index(base), inner.directory.segment(base)] {
        match disk::remove(&path) {
            // Another process prunes too.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            // Windows does not remove a file that is mapped; the next prune does.
            Err(e) if cfg!(windows) && e.kind() == std::io::ErrorKind::PermissionDenied => {}
            other => other.map_err(|e| Error::io("remove the segment", &path, &e))?,
        }
    }
    Ok(())
}
