//! Reading everything and changing nothing: what `verify` reports.

use std::path::Path;

use crate::chronicle::{Chronicle, Inner};
use crate::error::{Error, ErrorKind, Result};
use crate::index;
use crate::options::Options;
use crate::position;
use crate::record::{self, Place};
use crate::segment::Segment;
use crate::walk::{Stop, Walk, walk};

/// What a chronicle holds, and what is wrong with it.
#[derive(Debug, Clone, Default)]
pub struct VerifyReport {
    /// Segment files that were read.
    pub segments: u64,
    /// Messages whose order and both checksums hold.
    pub messages: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// The first seq that is left.
    pub first_seq: u64,
    /// The seq behind the last message that was read.
    pub next_seq: u64,
    /// Named readers whose position was read.
    pub readers: u64,
    /// Everything that is wrong, in the order of the log: the first one is where a reader stops.
    pub problems: Vec<Problem>,
}

/// Something that is wrong.
#[derive(Debug, Clone)]
pub struct Problem {
    /// What it costs.
    pub severity: Severity,
    /// What it is, with path, offset and seq.
    pub error: Error,
}

/// What a problem costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Messages cannot be read; [`repair`](crate::repair) says which.
    Data,
    /// A crash left it, and the next opening for writing mends it without a loss of what was promised.
    Unfinished,
    /// Derived data: reading is slower, and the next opening for writing, or a repair, makes it again.
    Derived,
}

impl VerifyReport {
    /// Whether nothing is wrong that a message depends on.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems.iter().all(|problem| problem.severity == Severity::Derived)
    }

    fn note(&mut self, severity: Severity, error: Error) {
        self.problems.push(Problem { severity, error });
    }
}

/// Reads every byte that counts of the chronicle in `dir`, and changes nothing. `progress` is called with the segments done and
/// the segments in all.
///
/// # Errors
/// Only when there is no chronicle to read or its `control` file is damaged: all else stands in the report.
pub fn verify(dir: &Path, mut progress: impl FnMut(u64, u64)) -> Result<VerifyReport> {
    let options = Options { read_only: true, create: false, allow_network_fs: true, ..Options::default() };
    let log = Chronicle::open(dir, &options)?;
    let inner = log.inner();
    let mut report = VerifyReport::default();
    let bases = inner.directory.segments()?;
    match inner.bases() {
        Ok(bases) => report.first_seq = bases[0],
        Err(e) => report.note(Severity::Data, e),
    }
    let mut expected: Option<Place> = None;
    for (index, &base) in bases.iter().enumerate() {
        progress(index as u64, bases.len() as u64);
        let last = index + 1 == bases.len();
        expected = check_segment(inner, base, expected, last, &mut report);
    }
    progress(bases.len() as u64, bases.len() as u64);
    if let Some(place) = expected {
        report.next_seq = place.seq;
    }
    check_end(inner, &mut report)?;
    check_readers(inner, &mut report)?;
    Ok(report)
}

/// Checks one segment and its index. Returns the place behind its last good record.
fn check_segment(
    inner: &Inner,
    base: u64,
    expected: Option<Place>,
    last: bool,
    report: &mut VerifyReport,
) -> Option<Place> {
    let segment = match inner.segment(base) {
        Ok(segment) => segment,
        Err(e) => {
            report.note(Severity::Data, e);
            return None;
        }
    };
    report.segments += 1;
    let start = segment.start();
    if let Some(before) = expected {
        if before.seq != base {
            report.note(Severity::Data, inner.missing(before.seq));
        } else if !start.follows(&before) {
            let older = Error::new(ErrorKind::Corrupt, "the segment is older than the one before it");
            report.note(Severity::Data, record::locate(older, &segment, &start));
        }
    }
    let walked = match walk(&segment) {
        Ok(walked) => walked,
        Err(e) => {
            report.note(Severity::Data, e);
            return None;
        }
    };
    report.messages += walked.messages;
    report.payload_bytes += walked.payload_bytes;
    check_index(inner, &segment, &walked, report);
    let Walk { place, batch, stop, .. } = walked;
    match stop {
        Stop::Sealed if last => report.note(Severity::Unfinished, inner.missing(place.seq)),
        Stop::Sealed => {}
        Stop::Unpublished if last && batch.is_none() => {}
        Stop::Unpublished => {
            let message = "the segment has no end, and there is another one behind it";
            let severity = if last { Severity::Unfinished } else { Severity::Data };
            report.note(severity, record::locate(Error::new(ErrorKind::Corrupt, message), &segment, &place));
        }
        Stop::Bad(error) => report.note(Severity::Data, error),
    }
    Some(place)
}

/// Every mark has to be a message that a walk meets; an index that is absent or stops early is only slower.
fn check_index(inner: &Inner, segment: &Segment, walked: &Walk, report: &mut VerifyReport) {
    let path = inner.directory.index(segment.header.base_seq);
    let wrong = match index::read(&inner.directory, segment) {
        Ok(marks) => {
            let beyond =
                marks.iter().find(|mark| mark.offset < walked.place.offset && mark.place(segment).is_none());
            beyond.map(|mark| {
                let message = "the index names a place where there is no such message";
                Error::new(ErrorKind::Corrupt, message).at_path(&path).at_seq(mark.seq)
            })
        }
        Err(e) if e.kind() == ErrorKind::NotFound => None,
        Err(e) => Some(e),
    };
    if let Some(error) = wrong {
        report.note(Severity::Derived, error);
    }
}

/// The last segment may have lost its end: the words in `control` tell.
fn check_end(inner: &Inner, report: &mut VerifyReport) -> Result<()> {
    let control = &inner.control;
    let promised = if control.same_boot() { control.head() } else { 0 }.max(control.stored_durable());
    if report.problems.iter().any(|problem| problem.severity == Severity::Data) || report.next_seq >= promised
    {
        return Ok(());
    }
    let bases = inner.bases()?;
    let message = format!("messages up to seq {} were promised, and the log ends before", promised - 1);
    let path = inner.directory.segment(bases[bases.len() - 1]);
    report
        .note(Severity::Data, Error::new(ErrorKind::Corrupt, message).at_path(&path).at_seq(report.next_seq));
    Ok(())
}

fn check_readers(inner: &Inner, report: &mut VerifyReport) -> Result<()> {
    for name in inner.directory.reader_names()? {
        match position::read(&inner.directory, &name, &inner.control.identity.chronicle_id) {
            Ok(stored) if stored.next_seq > report.next_seq && report.is_sound() => {
                let message = format!("the reader {name:?} is at {}, behind the end", stored.next_seq);
                let path = inner.directory.reader(&name);
                report.note(Severity::Unfinished, Error::new(ErrorKind::Corrupt, message).at_path(&path));
            }
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) => report.note(Severity::Data, e),
        }
        report.readers += 1;
    }
    Ok(())
}
