//! Making a damaged chronicle usable again: what cannot be kept is copied to `quarantine/` first, and named.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::blank::Blank;
use crate::chronicle::{Chronicle, Inner};
use crate::control::{Control, Identity};
use crate::directory::{Directory, remove_if_there};
use crate::error::{Error, ErrorKind, Result};
use crate::index;
use crate::layout::{DEFAULT_SEGMENT_BYTES, MAX_SEQ};
use crate::lock::{FileLock, WriterLock};
use crate::options::{Options, SyncMode};
use crate::position::{self, Position};
use crate::quarantine;
use crate::record::Place;
use crate::recovery::{self, RecoveryReport};
use crate::retention::PRUNE_PATIENCE;
use crate::segment::{self, Segment, next_size};
use crate::verify::Severity;
use crate::verify::verify;
use crate::walk::{Stop, walk};

/// What a repair did, and what was lost.
#[derive(Debug, Clone, Default)]
pub struct RepairReport {
    /// Whether the `control` file was made again from the segments.
    pub rebuilt_control: bool,
    /// The first message that is lost: the log ends before it now.
    pub lost_from: Option<u64>,
    /// One more than the last message that was known and is lost, where that is known.
    pub lost_to: Option<u64>,
    /// Copies of everything that was changed or removed.
    pub quarantined: Vec<PathBuf>,
    /// Named readers whose position could not be read: they are gone and start anew.
    pub lost_readers: Vec<String>,
    /// Indexes that were wrong and are made again.
    pub rebuilt_indexes: u64,
    /// What the opening for writing behind the repair did.
    pub recovery: RecoveryReport,
}

/// Repairs the chronicle in `dir`. The log is cut at its first damage, because a log has no holes; what stood behind is kept
/// in `quarantine/`. A chronicle without damage stays as it is.
///
/// # Errors
/// [`ErrorKind::Locked`] while another handle writes, [`ErrorKind::NotFound`] and [`ErrorKind::NotAChronicle`] where there is
/// nothing to repair, [`ErrorKind::UnsupportedVersion`] and [`ErrorKind::UnsupportedFeature`] for files of a later version:
/// they are not damaged.
pub fn repair(dir: &Path) -> Result<RepairReport> {
    let options =
        Options { create: false, sync: SyncMode::Always, allow_network_fs: true, ..Options::default() };
    let directory = Directory::new(dir);
    let mut report = RepairReport::default();
    if !dir.is_dir() || directory.segments()?.is_empty() {
        // Nothing to repair from; the opening says what there is instead.
        Chronicle::open(dir, &options)?;
    }
    let lock = WriterLock::acquire(&directory, options.mode, Duration::ZERO, || {
        Control::open(&directory, false).ok().and_then(|control| control.writer_pid())
    })?;
    rebuild_control(&directory, &options, &mut report)?;
    let log = Chronicle::open(dir, &options)?;
    mend(log.inner(), &mut report)?;
    drop(lock);
    let writer = log.writer(Duration::ZERO)?;
    if let Some(recovery) = log.stats()?.recovery {
        report.recovery = recovery;
    }
    // The opening for writing does it only where a power cut may have taken what they had read.
    report.recovery.moved_readers.extend(recovery::move_readers_back(log.inner(), writer.next_seq())?);
    if report.lost_from.is_none() && !report.recovery.quarantined.is_empty() {
        report.lost_from = Some(writer.next_seq());
    }
    drop(writer);
    Ok(report)
}

/// Makes `control` again from a segment's header where it is missing or damaged.
fn rebuild_control(directory: &Directory, options: &Options, report: &mut RepairReport) -> Result<()> {
    match Control::open(directory, true) {
        Ok(_) => return Ok(()),
        Err(e) if unreadable(&e) || e.kind() == ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    let bases = directory.segments()?;
    let header = bases.iter().find_map(|&base| segment::header_of(directory, base).ok());
    let Some(header) = header else {
        let message = "neither the control file nor any segment header can be read";
        return Err(Error::new(ErrorKind::Corrupt, message).at_path(directory.path()));
    };
    let path = directory.control();
    if path.exists() {
        report.quarantined.push(quarantine::copy_file(directory, &path, options.mode)?);
    }
    directory.remove_temporaries()?;
    let identity = Identity { chronicle_id: header.chronicle_id, segment_bytes: DEFAULT_SEGMENT_BYTES };
    Control::create(directory, &identity, options.mode)?;
    let control = Control::open(directory, true)?;
    control.set_first_seq(bases[0]);
    control.set_epoch(header.epoch);
    control.flush()?;
    report.rebuilt_control = true;
    directory.sync()
}

/// Whether an error speaks of damage, and not of a later version or of the system.
fn unreadable(error: &Error) -> bool {
    use ErrorKind::{BadMagic, Corrupt, EmptyFile, MissingSegment, OutOfBounds, Truncated};
    [BadMagic, Corrupt, EmptyFile, MissingSegment, OutOfBounds, Truncated].contains(&error.kind())
}

fn mend(inner: &Inner, report: &mut RepairReport) -> Result<()> {
    let found = verify(inner.directory.path(), |_, _| ())?;
    if let Some(later) = found.problems.iter().find(|p| p.severity == Severity::Data && !unreadable(&p.error))
    {
        return Err(later.error.clone());
    }
    mend_positions(inner, report)?;
    mend_indexes(inner, report)?;
    // What is only unfinished, the opening for writing behind this mends.
    if found.problems.iter().all(|problem| problem.severity != Severity::Data) {
        return Ok(());
    }
    // Nobody else moves the first seq meanwhile.
    let path = inner.directory.prune_lock();
    let Some(_pruning) = FileLock::acquire(&path, inner.options.mode, PRUNE_PATIENCE)? else {
        return Err(Error::new(ErrorKind::Locked, "another handle prunes the chronicle").at_path(&path));
    };
    let bases = inner.bases().or_else(|_| inner.directory.segments())?;
    let Some(&first) = bases.first() else { return Err(inner.missing(inner.control.first_seq())) };
    let control = &inner.control;
    let promised = control.head().max(control.stored_durable()).min(MAX_SEQ + 1);
    if first != control.first_seq() {
        if first > control.first_seq() {
            report.lost_from = Some(control.first_seq());
            report.lost_to = Some(first);
        }
        control.reset_first_seq(first);
        control.flush()?;
    }
    let kept = report.quarantined.len();
    let end = cut(inner, &bases, report)?;
    if report.lost_from.is_none() && (end < promised || report.quarantined.len() > kept) {
        report.lost_from = Some(end);
        report.lost_to = (end < promised).then_some(promised);
    } else if end < promised {
        // Lost at both ends: what is named is all from the first to the last of it.
        report.lost_to = report.lost_to.max(Some(promised));
    }
    control.forget(end);
    control.flush()?;
    inner.directory.sync()
}

/// Cuts the log at its first damage and returns the seq that it ends before.
fn cut(inner: &Inner, bases: &[u64], report: &mut RepairReport) -> Result<u64> {
    let (mode, directory) = (inner.options.mode, &inner.directory);
    let mut end = bases[0];
    let mut before: Option<Place> = None;
    for (index, &base) in bases.iter().enumerate() {
        let opened = Segment::open(directory, base, &inner.control.identity.chronicle_id, true);
        let walked = match &opened {
            Ok(segment) if base == end && before.is_none_or(|before| segment.start().follows(&before)) => {
                Some((segment, walk(segment)?))
            }
            _ => None,
        };
        let Some((segment, walked)) = walked else {
            set_aside(inner, &bases[index..], report)?;
            if index == 0 {
                create_empty(inner, base)?;
            }
            return Ok(end);
        };
        end = walked.end().seq;
        before = Some(walked.end());
        let rolled = bases.get(index + 1) == Some(&end) && walked.batch.is_none();
        if rolled && matches!(walked.stop, Stop::Unpublished) {
            // The opening for writing looks at the last segments alone.
            recovery::finish_roll(segment, &walked.place)?;
            continue;
        }
        if matches!(walked.stop, Stop::Sealed) {
            continue;
        }
        if index + 1 < bases.len() || matches!(walked.stop, Stop::Bad(_)) {
            report.quarantined.push(quarantine::copy_file(directory, &segment.path, mode)?);
            set_aside(inner, &bases[index + 1..], report)?;
            segment.zero_from(walked.end().offset)?;
        }
        return Ok(end);
    }
    Ok(end)
}

/// Moves whole segments to the quarantine. Their indexes go: they are made again from segments alone.
fn set_aside(inner: &Inner, bases: &[u64], report: &mut RepairReport) -> Result<()> {
    for &base in bases {
        report.quarantined.push(quarantine::move_segment(&inner.directory, base, inner.options.mode)?);
        remove_if_there(&inner.directory.index(base))?;
    }
    Ok(())
}

fn create_empty(inner: &Inner, base: u64) -> Result<()> {
    let size = next_size(None, inner.control.identity.segment_bytes, 0);
    inner.directory.remove_temporaries()?;
    let blank = Blank::create(&inner.directory, size, inner.options.mode)?;
    blank.name(&inner.directory, &inner.control.identity.chronicle_id, base, 0, inner.control.epoch())?;
    Ok(())
}

fn mend_positions(inner: &Inner, report: &mut RepairReport) -> Result<()> {
    for name in inner.directory.reader_names()? {
        match position::read(&inner.directory, &name, &inner.control.identity.chronicle_id) {
            Err(e) if unreadable(&e) => {
                // A tail that uses it has it whole.
                let id = &inner.control.identity.chronicle_id;
                let used = Position::open(&inner.directory, &name, id, inner.options.mode, || Ok(0));
                if used.is_ok() || used.is_err_and(|e| e.kind() == ErrorKind::Locked) {
                    continue;
                }
                let path = inner.directory.reader(&name);
                report.quarantined.push(quarantine::copy_file(&inner.directory, &path, inner.options.mode)?);
                remove_if_there(&path)?;
                report.lost_readers.push(name);
            }
            other => {
                other?;
            }
        }
    }
    Ok(())
}

/// Removes indexes that are wrong; the opening for writing makes those of sealed segments again.
fn mend_indexes(inner: &Inner, report: &mut RepairReport) -> Result<()> {
    for base in inner.directory.segments()? {
        let Ok(segment) = inner.segment(base) else { continue };
        let wrong = match index::read(&inner.directory, &segment) {
            Ok(marks) => marks.iter().any(|mark| mark.place(&segment).is_none()),
            Err(e) => e.kind() != ErrorKind::NotFound,
        };
        if wrong {
            remove_if_there(&inner.directory.index(base))?;
            report.rebuilt_indexes += 1;
        }
    }
    Ok(())
}
