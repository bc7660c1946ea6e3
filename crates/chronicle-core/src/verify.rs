//! Reading everything and changing nothing: what `verify` reports.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::chronicle::{Chronicle, Inner};
use crate::end;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::index;
use crate::options::Options;
use crate::platform;
use crate::position;
use crate::progress::Progress;
use crate::record::{self, Place, Record};
use crate::recovery;
use crate::segment::Segment;
use crate::walk::{Stop, Walk, walk_with};

/// How long a writer that lives may take between naming a segment and ending the one before.
const ROLL_PATIENCE: Duration = Duration::from_secs(1);

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
    /// The seq behind the last message that was read, or that a prune removed meanwhile.
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
/// the segments in all. Beside a writer it reads what was there when it began, and may leave out segments that have come since.
///
/// # Errors
/// Only when there is no chronicle to read or its `control` file is damaged: all else stands in the report.
pub fn verify(dir: &Path, progress: impl FnMut(u64, u64)) -> Result<VerifyReport> {
    examine(dir, &Progress::default(), progress)
}

/// [`verify`], watched from another thread, which may call it off.
///
/// # Errors
/// As [`verify`], and [`ErrorKind::Aborted`].
pub fn verify_watched(dir: &Path, watch: &Progress) -> Result<VerifyReport> {
    examine(dir, watch, |_, _| ())
}

fn examine(dir: &Path, watch: &Progress, mut progress: impl FnMut(u64, u64)) -> Result<VerifyReport> {
    let options = Options { read_only: true, create: false, allow_network_fs: true, ..Options::default() };
    let log = Chronicle::open(dir, &options)?;
    let inner = log.inner();
    let mut report = VerifyReport::default();
    // Before anything is read: a writer may go on meanwhile.
    let promised = promised(inner);
    let mut bases = match inner.bases() {
        Ok(bases) => bases,
        Err(e) => {
            report.note(Severity::Data, e);
            inner.directory.segments()?
        }
    };
    let begins_at = recovery::begins_at(inner, &bases);
    report.first_seq = bases.first().copied().unwrap_or(0);
    report.next_seq = report.first_seq;
    let (mut before, mut index): (Option<Place>, usize) = (None, 0);
    while index < bases.len() {
        progress(index as u64, bases.len() as u64);
        watch.set_segments(index as u64);
        if watch.total_segments() != bases.len() as u64 {
            watch.set_totals(bases.len() as u64, bytes_of(inner, &bases));
        }
        // A list that is made while a writer rolls may lack a segment that has come meanwhile, and hold a later one.
        if let Some(place) = before
            && place.seq < bases[index]
            && inner.directory.segment(place.seq).exists()
        {
            bases.insert(index, place.seq);
        }
        let found = check_segment(inner, &bases[index..], begins_at, before, &mut report, watch);
        watch.check()?;
        index += 1;
        match found {
            Found::Sealed(place) => before = Some(place),
            Found::Damaged => before = None,
            Found::End(place) => {
                before = Some(place);
                break;
            }
        }
        if index == bases.len() {
            // A writer may have rolled, and a prune have gone on, since the segments were listed.
            let left = inner.control.first_seq();
            let pruned = left > bases[index - 1] && before.is_none_or(|place| place.seq < left);
            before = before.filter(|_| !pruned);
            let from = if pruned { left } else { before.map_or(u64::MAX, |place| place.seq) };
            if pruned {
                report.next_seq = left;
            }
            // Beside a writer that is faster, what comes after the beginning has no end.
            if from >= promised && goes_on(inner, from) {
                break;
            }
            bases.extend(inner.directory.segments()?.into_iter().filter(|&base| base >= from));
            if let (Some(place), true) = (before, index == bases.len()) {
                report.note(Severity::Unfinished, inner.missing(place.seq));
            }
        }
    }
    progress(bases.len() as u64, bases.len() as u64);
    watch.set_segments(bases.len() as u64);
    watch.set_totals(bases.len() as u64, watch.bytes());
    report.next_seq = before.map_or(report.next_seq, |place| place.seq);
    check_end(inner, promised, &mut report)?;
    if let Err(e) = recovery::next_epoch(&inner.control, before.map_or(0, |place| place.epoch)) {
        report.note(Severity::Data, e);
    }
    check_readers(inner, &mut report)?;
    inner.control.check_whole()?;
    Ok(report)
}

/// Whether a segment starts at `seq`, or did before a prune.
fn goes_on(inner: &Inner, seq: u64) -> bool {
    inner.directory.segment(seq).exists() || inner.control.first_seq() > seq
}

/// The length of the segment files that are there.
fn bytes_of(inner: &Inner, bases: &[u64]) -> u64 {
    let files = bases.iter().filter_map(|&base| fs::metadata(inner.directory.segment(base)).ok());
    files.map(|metadata| metadata.len()).sum()
}

/// What a look at a segment found.
enum Found {
    /// END, or what a roll that was not finished leaves for it: the next segment starts at the place.
    Sealed(Place),
    /// The log ends at the place.
    End(Place),
    /// Something that hides where the next segment has to start.
    Damaged,
}

/// Messages below this have to be there.
fn promised(inner: &Inner) -> u64 {
    let control = &inner.control;
    if control.same_boot() { control.head() } else { 0 }.max(control.stored_durable())
}

/// Checks the first of the segments that start at `bases`, and its index. A recovery would look into those from `begins_at` on.
fn check_segment(
    inner: &Inner,
    bases: &[u64],
    begins_at: Option<u64>,
    before: Option<Place>,
    report: &mut VerifyReport,
    watch: &Progress,
) -> Found {
    let (base, next) = (bases[0], bases.get(1).copied());
    let opened = inner.segment(base).and_then(|segment| {
        check_seam(inner, &segment, before)?;
        Ok(segment)
    });
    let segment = match (opened, before) {
        (Ok(segment), _) => segment,
        // Pruned since the segments were listed.
        (Err(e), _) if e.kind() == ErrorKind::NotFound && base < inner.control.first_seq() => {
            return Found::Damaged;
        }
        (Err(e), Some(before))
            if may_be_torn(inner, before.seq)
                && (e.kind() == ErrorKind::MissingSegment || end::may_be_lost(e.kind())) =>
        {
            report.note(Severity::Unfinished, e);
            return Found::End(before);
        }
        (Err(e), _) => {
            report.note(Severity::Data, e);
            return Found::Damaged;
        }
    };
    report.segments += 1;
    let read = watch.bytes();
    let walked = walk_with(&segment, |place| {
        watch.set_bytes(read + place.offset);
        watch.check()
    });
    watch.set_bytes(read + segment.end());
    let walked = match walked {
        Ok(walked) => walked,
        Err(e) => {
            report.note(Severity::Data, e);
            return Found::Damaged;
        }
    };
    report.messages += walked.messages;
    report.payload_bytes += walked.payload_bytes;
    check_index(inner, &segment, &walked, report);
    let (place, end) = (walked.place, walked.end());
    let error = match walked.stop {
        Stop::Sealed => return Found::Sealed(place),
        Stop::Unpublished if next.is_none() && walked.batch.is_none() => return Found::End(place),
        Stop::Unpublished if next == Some(place.seq) && walked.batch.is_none() => {
            // A writer goes on to no further segment before it has ended this one.
            if bases.len() == 2 && end_comes(inner, &segment, &place) {
                return Found::Sealed(place);
            }
            // What lies before all that an opening for writing looks into stays as it is.
            let mended = begins_at.is_some_and(|first| first <= base);
            let severity = if mended { Severity::Unfinished } else { Severity::Data };
            report.note(severity, broken("a roll to the next segment was not finished", &segment, &end));
            return Found::Sealed(place);
        }
        Stop::Unpublished if walked.batch.is_some() => broken("the batch is incomplete", &segment, &end),
        Stop::Unpublished => {
            broken("the segment has no end, and there is another one behind it", &segment, &end)
        }
        Stop::Bad(error) => error,
    };
    if may_be_torn(inner, end.seq) {
        report.messages -= place.seq - end.seq;
        report.note(Severity::Unfinished, error);
        return Found::End(end);
    }
    report.note(Severity::Data, error);
    report.next_seq = end.seq;
    Found::Damaged
}

/// Whether the segment is ended after all: a writer that lives names the next one first.
fn end_comes(inner: &Inner, segment: &Segment, place: &Place) -> bool {
    fault::point("verify.waits");
    let start = Instant::now();
    loop {
        let writes = inner.control.writer_pid().is_some_and(platform::process_runs);
        if matches!(record::read(segment, place), Ok(Record::End)) {
            return true;
        }
        if !writes || start.elapsed() > ROLL_PATIENCE {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether what is wrong from `seq` on is what a power cut leaves: the next opening for writing cuts it.
fn may_be_torn(inner: &Inner, seq: u64) -> bool {
    !inner.control.recovered() && seq >= inner.control.stored_durable()
}

fn check_seam(inner: &Inner, segment: &Segment, before: Option<Place>) -> Result<()> {
    let (start, Some(before)) = (segment.start(), before) else { return Ok(()) };
    if before.seq != start.seq {
        if before.seq < inner.control.first_seq() {
            // Pruned since the segment before was read.
            return Ok(());
        }
        return Err(inner.missing(before.seq));
    }
    if start.follows(&before) { Ok(()) } else { Err(record::older(segment)) }
}

fn broken(message: &str, segment: &Segment, place: &Place) -> Error {
    record::locate(Error::new(ErrorKind::Corrupt, message), segment, place)
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

/// The last segment may have lost its end: the words in `control` told.
fn check_end(inner: &Inner, promised: u64, report: &mut VerifyReport) -> Result<()> {
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
            // A writer and this reader may have gone on since the log was walked.
            Ok(stored)
                if stored.next_seq > report.next_seq.max(inner.next_seq().unwrap_or(0))
                    && report.is_sound() =>
            {
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
