//! A helper thread that stays ahead of the appender: pages before they are touched, the next segment before it is needed.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::active::Active;
use crate::blank::Blank;
use crate::chronicle::Inner;
use crate::disk;
use crate::error::{Error, ErrorKind, Result};
use crate::index::{self, IndexFile};
use crate::observer::Event;
use crate::pace::Pace;
use crate::platform::Pages;
use crate::retention;

/// Pages are made resident in steps of this, and the appender reports its progress as often.
pub(crate) const STEP_BYTES: u64 = 2 << 20;
/// How far ahead of the appender pages are made resident.
const AHEAD_BYTES: u64 = 3 * STEP_BYTES;
/// How much of the next segment is resident when the appender gets there.
const RESIDENT_BYTES: usize = 4 << 20;
/// How many sealed segments wait for the thread with their file open. An appender that is so far ahead leaves it only their numbers.
const MAX_SEALED: usize = 64;

/// Owned by the writer; dropping it stops the thread and removes a segment that was not needed.
#[derive(Debug)]
pub(crate) struct Preparer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    inner: Arc<Inner>,
    job: Mutex<Job>,
    changed: Condvar,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says one thing of the thread, at its own time")]
struct Job {
    active: Arc<Active>,
    /// Segments that were sealed since the last look, oldest first.
    sealed: Vec<Arc<Active>>,
    /// Sealed segments whose index is to be made in spare time.
    unindexed: Vec<u64>,
    /// The length of the segment to prepare, once.
    wanted: Option<u64>,
    ready: Option<Blank>,
    preparing: bool,
    /// Whether the thread is at work on what it has taken.
    busy: bool,
    poked: bool,
    /// Whether the thread waits to be called. Otherwise it looks soon by itself, and no call wakes it.
    asleep: bool,
    stop: bool,
}

impl Preparer {
    /// Starts the thread; `unindexed` are sealed segments whose index is to be made in spare time.
    pub(crate) fn start(inner: &Arc<Inner>, active: Arc<Active>, unindexed: Vec<u64>) -> Result<Self> {
        let job = Job {
            active,
            sealed: Vec::new(),
            unindexed,
            wanted: None,
            ready: None,
            preparing: false,
            busy: false,
            poked: true,
            asleep: false,
            stop: false,
        };
        let shared =
            Arc::new(Shared { inner: Arc::clone(inner), job: Mutex::new(job), changed: Condvar::new() });
        let worker = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("chronicle-prepare".to_owned())
            .spawn(move || {
                let _idle = Idle(&worker);
                worker.run();
            })
            .map_err(|e| Error::new(ErrorKind::Io, format!("cannot start the helper thread: {e}")))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The appender has made progress; once `next_bytes` is given, the next segment is prepared with that length.
    pub(crate) fn poke(&self, next_bytes: Option<u64>) {
        let mut job = self.shared.lock();
        job.poked = true;
        let wants = next_bytes.is_some() && job.ready.is_none() && !job.preparing;
        if wants {
            job.wanted = next_bytes;
        }
        // A segment may be filled sooner than the thread looks again.
        self.shared.call(job, wants);
    }

    /// The appender has rolled.
    pub(crate) fn follow(&self, active: Arc<Active>) {
        let mut job = self.shared.lock();
        let sealed = std::mem::replace(&mut job.active, active);
        if job.sealed.len() < MAX_SEALED {
            job.sealed.push(sealed);
        } else {
            job.unindexed.push(sealed.segment.header.base_seq);
        }
        job.poked = true;
        self.shared.call(job, false);
    }

    /// Waits until the thread has nothing to do, or `patience` is over: then it holds no segment but the active one, and has pruned.
    pub(crate) fn settle(&self, patience: Duration) {
        let at_work =
            |job: &mut Job| job.busy || job.poked || !job.sealed.is_empty() || !job.unindexed.is_empty();
        // Who comes too early meets a thread that is not done, and no harm.
        let _ = self.shared.changed.wait_timeout_while(self.shared.lock(), patience, at_work);
    }

    /// The prepared segment, if it has at least `size` bytes. Otherwise none is left, and the temporary name is free.
    pub(crate) fn take(&self, size: u64) -> Result<Option<Blank>> {
        let mut job = self.shared.lock();
        job.wanted = None;
        while job.preparing {
            job = self.shared.changed.wait(job).unwrap_or_else(PoisonError::into_inner);
        }
        match job.ready.take() {
            Some(blank) if blank.size() < size => blank.discard().map(|()| None),
            other => Ok(other),
        }
    }
}

impl Preparer {
    /// Forgets the thread: in a forked child there is none, and its locks may be held for ever.
    pub(crate) fn abandon(&mut self) {
        self.thread = None;
    }
}

impl Drop for Preparer {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
        // A panic of the thread has been reported by the panic hook already.
        let _ = thread.join();
        if let Some(blank) = self.shared.lock().ready.take() {
            // What cannot be removed now, the next opening removes.
            let _ = blank.discard();
        }
    }
}

/// Says at the end of the thread, also at one by a panic, that no segment is being prepared any more: the roll waits for it.
struct Idle<'a>(&'a Shared);

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        let mut job = self.0.lock();
        (job.preparing, job.busy, job.poked) = (false, false, false);
        job.sealed.clear();
        job.unindexed.clear();
        drop(job);
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Job> {
        self.job.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the thread if it sleeps, or if it is to look `at_once`.
    fn call(&self, job: MutexGuard<'_, Job>, at_once: bool) {
        let wakes = job.asleep || at_once;
        drop(job);
        if wakes {
            self.changed.notify_all();
        }
    }

    /// Waits until there is something to do: until the next look at an appender that is fast, or until it calls.
    fn wait(&self, look: Option<Duration>) -> MutexGuard<'_, Job> {
        let mut job = self.lock();
        job.busy = false;
        self.changed.notify_all();
        let idle = |job: &mut Job| job.unindexed.is_empty() && !job.poked && !job.stop;
        let Some(look) = look else {
            job.asleep = true;
            let woken = self.changed.wait_while(job, idle);
            let mut job = woken.unwrap_or_else(PoisonError::into_inner);
            job.asleep = false;
            return job;
        };
        let looking = self.changed.wait_timeout_while(job, look, idle);
        let (mut job, _) = looking.unwrap_or_else(PoisonError::into_inner);
        job.poked = true;
        job
    }

    fn run(&self) {
        let mut resident: Option<(u64, u64)> = None;
        let mut index: Option<(u64, IndexFile)> = None;
        let mut pace = Pace::new(Instant::now());
        loop {
            let mut job = self.wait(pace.wait());
            job.busy = true;
            #[cfg(feature = "fault")]
            {
                // A test that holds the thread here decides what it finds to do.
                drop(job);
                crate::fault::point("prepare.woken");
                job = self.lock();
            }
            let stop = job.stop;
            let poked = std::mem::take(&mut job.poked);
            let active = Arc::clone(&job.active);
            let sealed = std::mem::take(&mut job.sealed);
            let unindexed = job.unindexed.pop();
            let next_size = job.wanted.take().filter(|_| !stop);
            job.preparing = next_size.is_some();
            drop(job);
            if poked && !stop {
                Self::stay_ahead(&active, &mut resident);
            }
            if let Some(size) = next_size {
                self.prepare(size, active.next_pages());
            }
            let rolled = !sealed.is_empty();
            for sealed in sealed {
                self.write_index(&sealed, &mut index);
                // Space that cannot be given back stays allocated; nothing depends on it.
                let _ = sealed.punch_tail();
            }
            self.write_index(&active, &mut index);
            if rolled && !stop {
                self.prune();
            }
            if stop {
                return;
            }
            if let Some(base) = unindexed {
                self.index_sealed(base);
            }
            pace.look(active.segment.header.base_seq, active.end(), Instant::now());
        }
    }

    /// Brings the index of a segment up to its marks. The index is derived: one that cannot be written is made later.
    fn write_index(&self, active: &Active, index: &mut Option<(u64, IndexFile)>) {
        let header = &active.segment.header;
        let (base, directory) = (header.base_seq, &self.inner.directory);
        let marks = active.marks().clone();
        if index.as_ref().is_none_or(|(current, _)| *current != base) {
            let file = IndexFile::create(directory, base, &header.chronicle_id, self.inner.options.mode);
            *index = file.ok().map(|file| (base, file));
        }
        if let Some((_, file)) = index
            && file.extend(&marks, &directory.index(base)).is_err()
        {
            *index = None;
        }
    }

    /// Removes what the options do not keep. A failure stands in the stats, and the next roll tries again.
    fn prune(&self) {
        let Some(retention) = &self.inner.options.retention else { return };
        let failure = retention::prune(&self.inner, retention, Duration::ZERO).err();
        if let Some(error) = &failure {
            self.inner.observer.tell(|| Event::PruneFailed(error.clone()));
        }
        *self.inner.prune_failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// Makes the index of a sealed segment that has none; pruned meanwhile, it needs none.
    fn index_sealed(&self, base: u64) {
        let inner = &self.inner;
        let rebuilt = inner
            .segment(base)
            .and_then(|segment| index::rebuild(&inner.directory, &segment, inner.options.mode));
        // Without an index a reader walks; the next opening tries again.
        let _ = rebuilt;
        if !inner.directory.segment(base).exists() {
            // The next prune removes what cannot be removed now.
            let _ = disk::remove_if_there(&inner.directory.index(base));
        }
    }

    /// Makes pages of the active segment resident up to a bounded distance ahead of its end.
    fn stay_ahead(active: &Active, resident: &mut Option<(u64, u64)>) {
        let base = active.segment.header.base_seq;
        let end = active.end();
        let mut from = match *resident {
            Some((segment, to)) if segment == base => to.max(end),
            _ => end,
        };
        let target = (end + AHEAD_BYTES).min(active.segment.end());
        while from < target {
            let step = STEP_BYTES.min(target - from);
            // Advice goes by whole pages.
            let start = from & !(crate::layout::SEGMENT_ALIGN - 1);
            #[expect(clippy::cast_possible_truncation, reason = "offsets inside of a mapping are a usize")]
            active.segment.region.populate(start as usize, (from + step - start) as usize);
            from += step;
        }
        *resident = Some((base, from));
    }

    /// Creates the next segment. When that fails the roll tries by itself, and reports.
    fn prepare(&self, size: u64, pages: Pages) {
        let mut blank = Blank::create(&self.inner.directory, size, self.inner.options.mode).ok();
        if let Some(blank) = &mut blank {
            blank.populate(RESIDENT_BYTES, pages);
        }
        let mut job = self.lock();
        job.ready = blank;
        job.preparing = false;
        drop(job);
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chronicle, Options, SyncMode};

    fn within_a_minute(mut is: impl FnMut() -> bool) -> bool {
        let start = Instant::now();
        while !is() {
            if start.elapsed() > Duration::from_secs(60) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    #[test]
    fn the_thread_sleeps_once_the_appender_rests_and_a_roll_calls_it() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { segment_bytes: Some(1 << 20), sync: SyncMode::None, ..Options::default() };
        let log = Chronicle::open(dir.path(), &options).unwrap();
        let mut writer = log.writer(Duration::ZERO).unwrap();
        let payload = vec![7; 100_000];
        for _ in 0..2 {
            // Through some segments, as fast as it gets on.
            for _ in 0..50 {
                writer.append(&payload, 0).unwrap();
            }
            let asleep = |job: &Job| job.asleep && !job.poked;
            assert!(within_a_minute(|| asleep(&writer.preparer.shared.lock())));
            let active = Arc::clone(&writer.active);
            while writer.active.segment.header.base_seq == active.segment.header.base_seq {
                writer.append(&payload, 0).unwrap();
            }
            let marks = active.marks().len();
            let indexed =
                || index::read(&log.inner().directory, &active.segment).map_or(0, |read| read.len());
            assert!(marks > 0 && within_a_minute(|| indexed() == marks), "the sealed segment has no index");
        }
    }
}
