//! Opening and creating a chronicle, and what its handles share.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::control::Control;
use crate::creation;
use crate::directory::Directory;
use crate::end;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::known::Known;
use crate::mapped::Mapped;
use crate::named::ReaderInfo;
use crate::observer::{Event, Observer};
use crate::options::Options;
use crate::platform;
use crate::reader::{From, Reader};
use crate::recovery::RecoveryReport;
use crate::segment::Segment;
use crate::sizes::Sizes;
use crate::waiter::WaitHandle;
use crate::writer::Writer;

/// An open chronicle: hands out a [`Writer`] and any number of [`Reader`]s. Clones are cheap and share everything.
///
/// ```
/// use chronicle_core::{Chronicle, Entry, From, Options};
/// use std::time::Duration;
///
/// let dir = tempfile::tempdir()?;
/// let log = Chronicle::open(&dir.path().join("orders"), &Options::default())?;
/// let mut writer = log.writer(Duration::ZERO)?;
/// assert_eq!(writer.append(b"hello", 1)?, 0);
///
/// let (mut slab, mut entries) = (vec![0; 65536], vec![Entry::default(); 64]);
/// let run = log.reader(From::Start)?.poll(&mut slab, &mut entries)?;
/// assert_eq!((run.count, &slab[..5]), (1, &b"hello"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Chronicle {
    inner: Arc<Inner>,
}

/// What the handles of one opening share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) directory: Directory,
    pub(crate) control: Control,
    pub(crate) options: Options,
    mapped: Mutex<Mapped>,
    pub(crate) known: Mutex<Known>,
    pub(crate) sizes: Mutex<Sizes>,
    pub(crate) recovery: Mutex<Option<RecoveryReport>>,
    /// Where the log ends as long as no writer has recovered it, and the number of openings when that was found.
    end: Mutex<Option<((u32, u64), u64)>>,
    pub(crate) prune_failure: Mutex<Option<Error>>,
    pub(crate) observer: Observer,
}

/// A look at a chronicle.
#[derive(Debug, Clone)]
pub struct Stats {
    /// The first seq that is left.
    pub first_seq: u64,
    /// The seq that the next message gets.
    pub next_seq: u64,
    /// Every message below this seq survives a power cut.
    pub durable_seq: u64,
    /// How many segment files there are.
    pub segments: u64,
    /// Bytes that the segment files take on the disk. A file is looked at until another segment has followed it for five seconds.
    pub bytes: u64,
    /// The length that segments double up to.
    pub segment_bytes: u64,
    /// The number of the last opening for writing.
    pub epoch: u32,
    /// The process that has the chronicle open for writing.
    pub writer_pid: Option<u32>,
    /// The file system, when it copies on write, so that a write may meet a full disk in spite of allocated space.
    pub copy_on_write_fs: Option<&'static str>,
    /// The file system, when it is one where mapped memory is not coherent between hosts.
    pub network_fs: Option<&'static str>,
    /// Whether a writer has recovered the log since this boot; until then [`next_seq`](Self::next_seq) is where a recovery will cut.
    pub recovered: bool,
    /// Whether a flush failed in this boot and no opening for writing has come since: a writer of then is poisoned.
    pub flush_failed: bool,
    /// What the last opening for writing through this handle found and did.
    pub recovery: Option<RecoveryReport>,
    /// Every named reader, in order of their names.
    pub readers: Vec<ReaderInfo>,
    /// Why the last prune after a roll removed nothing more, if it failed. The next roll tries again.
    pub prune_failure: Option<Error>,
}

impl Chronicle {
    /// Opens the chronicle in `dir`, creating it where the options say so. Takes no lock that outlives the call.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] and [`ErrorKind::NotAChronicle`] when there is none and none is created,
    /// [`ErrorKind::NetworkFs`], [`ErrorKind::Permission`], [`ErrorKind::NoSpace`], and the kinds for damaged files:
    /// [`ErrorKind::EmptyFile`], [`ErrorKind::Truncated`], [`ErrorKind::BadMagic`], [`ErrorKind::UnsupportedVersion`],
    /// [`ErrorKind::UnsupportedFeature`], [`ErrorKind::Corrupt`].
    pub fn open(dir: &Path, options: &Options) -> Result<Self> {
        options.check()?;
        let directory = Directory::new(dir);
        creation::ensure_directory(dir, options)?;
        if !options.allow_network_fs {
            creation::refuse_network_fs(dir)?;
        }
        let control = match Control::open(&directory, !options.read_only) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                creation::create(&directory, options)?;
                Control::open(&directory, !options.read_only)?
            }
            other => other?,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                directory,
                control,
                options: options.clone(),
                mapped: Mutex::default(),
                known: Mutex::default(),
                sizes: Mutex::default(),
                recovery: Mutex::default(),
                end: Mutex::default(),
                prune_failure: Mutex::default(),
                observer: Observer::default(),
            }),
        })
    }

    /// Takes the writer lock, trying for `wait` while another handle holds it, recovers the log and opens it for appending.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] with the holder's pid, [`ErrorKind::ReadOnly`], [`ErrorKind::Permission`], and the kinds for
    /// damaged files that [`open`](Self::open) lists, with [`ErrorKind::MissingSegment`] and [`ErrorKind::OutOfBounds`].
    pub fn writer(&self, wait: Duration) -> Result<Writer> {
        Writer::open(&self.inner, wait)
    }

    /// A reader that starts at `from`.
    ///
    /// # Errors
    /// [`ErrorKind::Gap`] when the place was pruned, [`ErrorKind::MissingSegment`], and the kinds for damaged files.
    pub fn reader(&self, from: From) -> Result<Reader> {
        Reader::open(&self.inner, from)
    }

    /// The first seq that is left: the next seq where the log is empty.
    ///
    /// # Errors
    /// [`ErrorKind::MissingSegment`] when there is no segment at all, or the system's errors.
    pub fn first_seq(&self) -> Result<u64> {
        self.inner.first_seq()
    }

    /// The seq that the next message gets, as far as it is known to this process at this moment.
    ///
    /// # Errors
    /// The kinds for damaged files.
    pub fn next_seq(&self) -> Result<u64> {
        self.inner.next_seq()
    }

    /// Every message below this seq survives a power cut.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] or [`ErrorKind::Io`] when the page was lost that says so.
    pub fn durable_seq(&self) -> Result<u64> {
        let durable = self.inner.control.durable();
        self.inner.control.intact().map(|()| durable)
    }

    /// The directory of the chronicle.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.inner.directory.path()
    }

    /// Counts files and bytes, and collects what the control file says.
    ///
    /// # Errors
    /// As [`next_seq`](Self::next_seq).
    pub fn stats(&self) -> Result<Stats> {
        let inner = &self.inner;
        let (segments, bytes) = inner.count()?;
        let path = inner.directory.path();
        let identity = &inner.control.identity;
        Ok(Stats {
            first_seq: inner.first_seq()?,
            next_seq: inner.next_seq()?,
            durable_seq: inner.control.durable(),
            segments,
            bytes,
            segment_bytes: inner.options.segment_bytes.unwrap_or(identity.segment_bytes),
            epoch: inner.control.epoch(),
            writer_pid: inner.control.writer_pid().filter(|&pid| platform::process_runs(pid)),
            copy_on_write_fs: platform::copy_on_write_fs(path)
                .map_err(|e| Error::io("look at the file system", path, &e))?,
            network_fs: platform::network_fs(path)
                .map_err(|e| Error::io("look at the file system", path, &e))?,
            recovered: inner.control.recovered(),
            flush_failed: inner.control.flush_failed(),
            recovery: inner.recovery.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            readers: self.readers()?,
            prune_failure: inner.prune_failure.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        })
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// Calls `listener` with each [`Event`] of this opening: from the thread that it happens on, so it must not call back. The first
    /// listener stays for as long as anything of this opening does.
    pub fn observe(&self, listener: impl Fn(Event) + Send + Sync + 'static) {
        self.inner.observer.set(Box::new(listener));
    }

    /// What a thread sleeps on until there are new messages.
    #[must_use]
    pub fn wait_handle(&self) -> WaitHandle {
        WaitHandle::new(&self.inner)
    }
}

impl Inner {
    pub(crate) fn first_seq(&self) -> Result<u64> {
        let left = self.control.first_seq();
        self.control.intact()?;
        // Between the two looks a prune may have gone on.
        if self.directory.segment(left).exists() { Ok(left) } else { self.bases().map(|bases| bases[0]) }
    }

    /// The first seqs of all segments from the first that retention has left: at least that one.
    pub(crate) fn bases(&self) -> Result<Vec<u64>> {
        loop {
            let left = self.control.first_seq();
            self.control.intact()?;
            let mut bases = self.directory.segments()?;
            // What stands before it was pruned, and its removal did not come off or was lost in a power cut.
            if let Ok(first) = bases.binary_search(&left) {
                return Ok(bases.split_off(first));
            }
            // A prune may have gone on between the two looks.
            if self.control.first_seq() == left && !fault::planted("prune.awaited") {
                return Err(self.missing(left));
            }
        }
    }

    /// The first seqs of the segments that may be looked into: before a recovery, not those that it may set aside.
    pub(crate) fn readable_bases(&self) -> Result<Vec<u64>> {
        let mut bases = self.bases()?;
        bases.truncate(bases.partition_point(|&base| base < self.readable_end()).max(1));
        Ok(bases)
    }

    /// What nobody may read from: before a recovery, where that will cut the log. What makes this unknown is told by the record or
    /// segment that is meant, to the reader that gets there.
    pub(crate) fn readable_end(&self) -> u64 {
        self.unrecovered_end().ok().flatten().unwrap_or(u64::MAX)
    }

    pub(crate) fn missing(&self, base: u64) -> Error {
        Error::new(ErrorKind::MissingSegment, format!("the segment that starts at seq {base} is missing"))
            .at_path(&self.directory.segment(base))
            .at_seq(base)
    }

    pub(crate) fn next_seq(&self) -> Result<u64> {
        let next_seq = self.unrecovered_end()?.unwrap_or_else(|| self.control.head());
        self.control.intact().map(|()| next_seq)
    }

    /// Where the log ends when no writer has recovered it in this boot: only the records themselves say so then.
    pub(crate) fn unrecovered_end(&self) -> Result<Option<u64>> {
        if self.control.recovered() {
            return Ok(None);
        }
        // A writer that came and went has changed one of them.
        let at = (self.control.epoch(), self.control.head());
        let mut known = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((found, end)) = *known
            && found == at
        {
            return Ok(Some(end));
        }
        let end = end::sound_end(self)?;
        // A writer that came meanwhile changes what was looked at.
        if self.control.recovered() {
            return Ok(None);
        }
        *known = Some((at, end));
        Ok(Some(end))
    }

    /// The segment that starts at `base`, mapped for reading once for all readers of this opening.
    pub(crate) fn segment(&self, base: u64) -> Result<Arc<Segment>> {
        let open = || Segment::open(&self.directory, base, &self.control.identity.chronicle_id, false);
        self.mapped.lock().unwrap_or_else(PoisonError::into_inner).get(base, self.control.first_seq(), open)
    }

    /// Opens the segment that starts at `base` anew when it is asked for next: another file may have its name by now.
    pub(crate) fn forget(&self, base: u64) {
        self.mapped.lock().unwrap_or_else(PoisonError::into_inner).forget(base);
    }
}
