//! Making messages survive a power cut: one flush for everybody who waits, of the dirty range alone.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::active::Active;
use crate::chronicle::Inner;
use crate::directory::open_regular;
use crate::disk;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::observer::Event;
use crate::platform::OpenDir;
use crate::segment::header_of;

/// Asks for flushes of what one [`Writer`](crate::Writer) has appended. Clones may be used from any thread.
#[derive(Debug, Clone)]
pub struct Durability {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    inner: Arc<Inner>,
    state: Mutex<State>,
    changed: Condvar,
    directory: OpenDir,
    poisoned: AtomicBool,
    /// The process of the writer: a forked child does not know what its parent appends.
    pid: u32,
}

#[derive(Debug)]
struct State {
    /// Segments with bytes that are not flushed, oldest first; the last one is being appended to.
    dirty: VecDeque<Dirty>,
    /// The first of the sealed segments before those that may not be flushed either and are not held open: an earlier writer
    /// of this boot has left them, or too many came since the last flush.
    unflushed: Option<u64>,
    durable: u64,
    flushing: bool,
    stop: bool,
    failure: Option<Error>,
    /// The end of the log when its writer was dropped: what comes behind it is another writer's.
    closed_at: Option<u64>,
}

#[derive(Debug, Clone)]
struct Dirty {
    active: Arc<Active>,
    /// Everything before this offset is on the disk.
    flushed: u64,
    /// Whether header, blocks and name of the segment are on the disk.
    named: bool,
}

impl Dirty {
    fn base(&self) -> u64 {
        self.active.segment.header.base_seq
    }

    /// Flushes what is not flushed, `alone` or as a part of more. Returns how far it is then.
    fn flush(&self, alone: bool) -> Result<u64> {
        let end = self.active.end();
        if end > self.flushed {
            self.active.flush(self.flushed, end, alone)?;
        }
        Ok(end)
    }
}

/// How many segments are held open until they are flushed. Those before are opened again for it: descriptors and mappings must not
/// grow with the time since the last flush.
const MAX_DIRTY: usize = 64;

const FAILED: &str = "a flush failed";

impl State {
    /// One more than the last seq that was published.
    fn next_seq(&self) -> u64 {
        // The segment that is appended to is always among them.
        self.dirty.back().map_or(self.durable, |dirty| dirty.active.next_seq())
    }
}

impl Durability {
    pub(crate) fn new(
        inner: &Arc<Inner>,
        active: Arc<Active>,
        unflushed: Option<u64>,
        durable: u64,
    ) -> Result<Self> {
        let dirty = VecDeque::from([Dirty { active, flushed: 0, named: false }]);
        let state =
            State { dirty, unflushed, durable, flushing: false, stop: false, failure: None, closed_at: None };
        let shared = Shared {
            inner: Arc::clone(inner),
            state: Mutex::new(state),
            changed: Condvar::new(),
            directory: inner.directory.open()?,
            poisoned: AtomicBool::new(false),
            pid: std::process::id(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Blocks until every message that is published now survives a power cut. Returns the durable point: one more than the last
    /// such seq. Callers that arrive during a flush share the next one.
    ///
    /// # Errors
    /// [`ErrorKind::Poisoned`] when this or an earlier flush failed. The kernel may have dropped the pages, so there is no
    /// second try: the writer refuses to go on, and the chronicle has to be opened again. [`ErrorKind::Closed`] when the
    /// writer was dropped before its messages were flushed, [`ErrorKind::Forked`] in a forked child. [`ErrorKind::Io`] when
    /// there is no descriptor to open a file with that an earlier writer has left unflushed: nothing is lost, and a later call does it.
    pub fn sync(&self) -> Result<u64> {
        if std::process::id() != self.shared.pid {
            let message =
                "this process was forked from the one that opened the chronicle, which alone may flush";
            return Err(Error::new(ErrorKind::Forked, message));
        }
        let mut state = self.lock();
        let target = state.next_seq();
        loop {
            if let Some(failure) = &state.failure {
                return Err(failure.clone());
            }
            if state.durable >= state.closed_at.unwrap_or(target) {
                return Ok(state.durable);
            }
            if state.closed_at.is_some() {
                return Err(Error::new(
                    ErrorKind::Closed,
                    "the writer was dropped before its messages were flushed",
                ));
            }
            if !state.flushing {
                state = self.lead(state)?;
                continue;
            }
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// One more than the last seq that survives a power cut.
    #[must_use]
    pub fn durable_seq(&self) -> u64 {
        self.lock().durable
    }

    /// The failure that poisoned the writer, if there was one.
    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        if self.shared.poisoned.load(Ordering::Acquire) { Err(self.failure()) } else { Ok(()) }
    }

    #[cold]
    fn failure(&self) -> Error {
        let failure = self.lock().failure.clone();
        failure.unwrap_or_else(|| Error::new(ErrorKind::Poisoned, "a flush failed"))
    }

    /// The segment that is appended to from now on. The one before it has its END.
    pub(crate) fn follow(&self, active: Arc<Active>) {
        let mut state = self.lock();
        let next = Dirty { active, flushed: 0, named: false };
        // An empty segment whose name a larger one has taken needs no flush.
        if state.dirty.back().is_some_and(|last| last.base() == next.base()) {
            state.dirty.pop_back();
        }
        state.dirty.push_back(next);
        if state.dirty.len() > MAX_DIRTY
            && let Some(oldest) = state.dirty.pop_front()
        {
            state.unflushed = state.unflushed.or(Some(oldest.base()));
        }
        drop(state);
        self.forget_pruned();
    }

    /// Lets go of segments that were pruned: they need no flush, and keep their blocks for as long as they are held.
    pub(crate) fn forget_pruned(&self) {
        let left = self.shared.inner.control.first_seq();
        let mut state = self.lock();
        while state.dirty.len() > 1 && state.dirty.front().is_some_and(|dirty| dirty.base() < left) {
            // The prune may still take its intent back: what is there then has to be flushed, and what is not costs nothing.
            let oldest = state.dirty.pop_front().map(|dirty| dirty.base());
            state.unflushed = state.unflushed.or(oldest);
        }
    }

    /// The writer is about to release its lock: waits for a flush under way, and allows no further one.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        while state.flushing {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.closed_at = Some(state.next_seq());
        drop(state);
        self.shared.changed.notify_all();
    }

    /// [`sync`](Self::sync) for a message that is published already: its append fails for good, or not at all.
    pub(crate) fn sync_published(&self) -> Result<()> {
        match self.sync() {
            Err(e) if e.no_descriptor() => {
                self.poison(&mut self.lock(), FAILED, &e);
                Err(self.failure())
            }
            other => other.map(|_| ()),
        }
    }

    /// Flushes for everybody: the state is unlocked meanwhile, so appends and rolls go on. An error is one that can be tried again.
    fn lead<'a>(&'a self, mut state: MutexGuard<'a, State>) -> Result<MutexGuard<'a, State>> {
        // Read before the ends of the segments: all messages below it lie in front of those ends.
        let head = state.next_seq();
        let mut work: Vec<Dirty> = state.dirty.iter().cloned().collect();
        let Some(newest) = work.pop() else {
            // The segment that is appended to is always among them.
            state.failure = Some(Error::new(ErrorKind::Closed, "there is no segment to flush"));
            return Ok(state);
        };
        let unflushed = state.unflushed.take();
        state.flushing = true;
        drop(state);
        if fault::planted("durable.early") {
            self.shared.inner.control.set_durable(head);
        }
        let observer = &self.shared.inner.observer;
        let started = observer.started();
        let outcome = self.flush(unflushed, &work, newest);
        // Who comes later finds the durable point there, or nothing.
        let outcome = outcome.and_then(|done| self.shared.inner.control.check_whole().map(|()| done));
        let mut state = self.lock();
        state.flushing = false;
        match outcome {
            Ok((last, flushed)) => {
                let base = last.segment.header.base_seq;
                // All before the last one were sealed; it may be sealed by now, and not be held any more.
                state.dirty.retain(|dirty| dirty.base() >= base);
                // Or a larger one has taken its name, of which nothing is flushed.
                let front = state.dirty.front_mut();
                if let Some(dirty) = front.filter(|dirty| Arc::ptr_eq(&dirty.active, &last)) {
                    (dirty.flushed, dirty.named) = (flushed, true);
                }
                state.unflushed = state.unflushed.map(|first| first.max(base));
                state.durable = head;
                self.shared.inner.control.set_durable(head);
                // Readers that see durable messages only sleep until then.
                self.shared.inner.control.wake_readers();
                let nanos = started.map_or(0, |start| start.elapsed().as_nanos());
                let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
                observer.tell(|| Event::Synced { durable_seq: head, nanos });
            }
            // What was not opened was not flushed, and is as it was.
            Err(e) if e.no_descriptor() => {
                state.unflushed = unflushed.into_iter().chain(state.unflushed).min();
                self.shared.changed.notify_all();
                return Err(e);
            }
            Err(e) => self.poison(&mut state, FAILED, &e),
        }
        self.shared.changed.notify_all();
        Ok(state)
    }

    /// A page was lost that the appender has stored to. Returns what every call of this writer gets from now on.
    #[cold]
    pub(crate) fn lose(&self, error: &Error) -> Error {
        let mut state = self.lock();
        if state.failure.is_none() {
            self.poison(&mut state, "a page was lost", error);
        }
        drop(state);
        // Readers sleep before such a page, perhaps: whoever looks gets the error too.
        self.shared.inner.control.notify();
        self.shared.changed.notify_all();
        self.failure()
    }

    /// Nothing more is appended through this writer, and the next one writes everything again.
    fn poison(&self, state: &mut State, what: &str, error: &Error) {
        let message = format!("{what}, so nothing more can be promised: {}", error.message());
        let mut failure = Error::new(ErrorKind::Poisoned, message);
        if let Some(path) = error.path() {
            failure = failure.at_path(path);
        }
        self.shared.inner.observer.tell(|| Event::SyncFailed(failure.clone()));
        state.failure = Some(failure);
        self.shared.inner.control.set_flush_failed(true);
        self.shared.poisoned.store(true, Ordering::Release);
    }

    /// Flushes each segment's dirty range, then the names of new ones. Returns which was the last, and how far it is flushed.
    fn flush(&self, unflushed: Option<u64>, sealed: &[Dirty], newest: Dirty) -> Result<(Arc<Active>, u64)> {
        if let Some(first) = unflushed {
            self.sync_sealed(first, sealed.first().unwrap_or(&newest).base())?;
        }
        let mut names = unflushed.is_some();
        for dirty in sealed {
            if !fault::planted("sealed.unflushed") {
                dirty.flush(false)?;
            }
            names |= !dirty.named;
            fault::point("sync.segment");
        }
        let flushed = newest.flush(sealed.is_empty())?;
        names |= !newest.named;
        fault::point("sync.segment");
        if names {
            self.shared.inner.directory.sync_open(&self.shared.directory)?;
        }
        fault::point("sync.flushed");
        Ok((newest.active, flushed))
    }

    /// Syncs the segments that start in `first..end`.
    fn sync_sealed(&self, first: u64, end: u64) -> Result<()> {
        let directory = &self.shared.inner.directory;
        for base in directory.segments()?.into_iter().filter(|base| (first..end).contains(base)) {
            let path = directory.segment(base);
            match open_regular(&path, true) {
                // Pruned meanwhile.
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                opened => disk::sync(&opened?).map_err(|e| Error::io("sync the segment", &path, &e))?,
            }
            // Truncated by somebody, it was flushed without an error.
            match header_of(directory, base) {
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                header => header.map(|_| ())?,
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The helper thread of [`SyncMode::Every`](crate::SyncMode::Every).
#[derive(Debug)]
pub(crate) struct Flusher {
    durability: Durability,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    pub(crate) fn start(durability: &Durability, pause: Duration) -> Result<Self> {
        let worker = durability.clone();
        let thread = std::thread::Builder::new()
            .name("chronicle-sync".to_owned())
            .spawn(move || worker.flush_every(pause))
            .map_err(|e| Error::new(ErrorKind::Io, format!("cannot start the sync thread: {e}")))?;
        Ok(Self { durability: durability.clone(), thread: Some(thread) })
    }

    /// Forgets the thread: in a forked child there is none, and its locks may be held for ever.
    pub(crate) fn abandon(&mut self) {
        self.thread = None;
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.durability.lock().stop = true;
        self.durability.shared.changed.notify_all();
        // A panic of the thread has been reported by the panic hook already.
        let _ = thread.join();
    }
}

impl Durability {
    fn flush_every(&self, pause: Duration) {
        loop {
            let state = self.lock();
            let wait = self.shared.changed.wait_timeout_while(state, pause, |state| !state.stop);
            if wait.unwrap_or_else(PoisonError::into_inner).0.stop {
                return;
            }
            // A failure poisons the writer, whose next append reports it.
            match self.sync() {
                Err(e) if e.no_descriptor() => continue,
                Err(_) => return,
                Ok(_) => {}
            }
            if let Err(e) = self.shared.inner.control.flush() {
                self.poison(&mut self.lock(), FAILED, &e);
                return;
            }
        }
    }
}
