//! Appending: one writer, no lock, no allocation and no system call on the way of a message.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::active::Active;
use crate::chronicle::Inner;
use crate::clock::{Clock, System};
use crate::durability::{Durability, Flusher};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::header::{COMMIT_WORD, MessageHeader};
use crate::index::STRIDE_BYTES;
use crate::layout::{HEADER_LEN, MAX_PAYLOAD_LEN, MAX_SEQ, record_len};
use crate::lock::WriterLock;
use crate::options::SyncMode;
use crate::platform::{ForkGuard, guard};
use crate::preparer::Preparer;
use crate::record::Place;
use crate::recovery::{self, Recovered};
use crate::region::Region;
use crate::wait;

/// The one appender of a chronicle. Dropping it flushes, unless the mode is [`SyncMode::None`], and releases the lock.
#[derive(Debug)]
pub struct Writer {
    pub(crate) inner: Arc<Inner>,
    pub(crate) active: Arc<Active>,
    /// Where the next record goes, its seq, this writer's epoch and the last timestamp.
    pub(crate) place: Place,
    /// The offset that records must not reach beyond: END has its place behind it. 0 where nothing may be appended as things are.
    pub(crate) limit: u64,
    /// The length of the payload that is claimed at the place.
    pub(crate) claimed: Option<u32>,
    /// The offset at which the helper thread is told of the progress.
    pub(crate) poke_at: u64,
    /// The offset from which the next message is marked for the index.
    pub(crate) mark_at: u64,
    /// The nearer one of both: all that the way of a message looks at.
    pub(crate) event_at: u64,
    clock: Clock,
    fork: ForkGuard,
    pub(crate) durability: Durability,
    // Stopped and joined in this order, before the lock goes.
    flusher: Option<Flusher>,
    pub(crate) preparer: Preparer,
    _lock: Option<WriterLock>,
}

impl Writer {
    pub(crate) fn open(inner: &Arc<Inner>, wait: Duration) -> Result<Self> {
        if inner.options.read_only {
            return Err(Error::new(ErrorKind::ReadOnly, "the chronicle was opened for reading only")
                .at_path(inner.directory.path()));
        }
        let control = &inner.control;
        control.check_writable()?;
        let lock = WriterLock::acquire(&inner.directory, inner.options.mode, wait, || holder(inner))?;
        // With the word that a killed writer left, a pid that lives says that the log was recovered.
        control.set_live(0);
        control.set_writer_pid(std::process::id());
        let mut lock = Some(lock);
        let opened = recovery::recover(inner).and_then(|recovered| Self::start(inner, &mut lock, recovered));
        if opened.is_err() {
            // Before the lock goes: the words may be the next holder's then.
            control.set_live(0);
            control.set_writer_pid(0);
        }
        opened
    }

    fn start(inner: &Arc<Inner>, lock: &mut Option<WriterLock>, recovered: Recovered) -> Result<Self> {
        let place = recovered.place;
        let active = Arc::new(Active::new(recovered.active, place.offset, place.seq, recovered.marks));
        let durable = inner.control.stored_durable();
        let durability = Durability::new(inner, Arc::clone(&active), recovered.unflushed, durable)?;
        let flusher = match inner.options.sync {
            SyncMode::Every(pause) => Some(Flusher::start(&durability, pause)?),
            SyncMode::None | SyncMode::Always => None,
        };
        let preparer = Preparer::start(inner, Arc::clone(&active), recovered.unindexed)?;
        *inner.recovery.lock().unwrap_or_else(PoisonError::into_inner) = Some(recovered.report);
        let fork = ForkGuard::new()
            .map_err(|e| Error::new(ErrorKind::Io, format!("cannot map the page that tells a fork: {e}")))?;
        let limit = limit_of(&active);
        Ok(Self {
            inner: Arc::clone(inner),
            active,
            place,
            limit,
            claimed: None,
            poke_at: place.offset,
            mark_at: place.offset + STRIDE_BYTES,
            event_at: place.offset,
            clock: Clock::new(System::new()),
            fork,
            durability,
            flusher,
            preparer,
            _lock: lock.take(),
        })
    }

    /// Appends one message. When this returns, every reader can see the message and the end of this process cannot take it.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] above 1 GiB, [`ErrorKind::NoSpace`] when the next segment cannot be allocated,
    /// [`ErrorKind::Poisoned`] after a failed flush, [`ErrorKind::Forked`] in a forked child,
    /// [`ErrorKind::SeqExhausted`] behind the last seq. The message is not appended then; with [`SyncMode::Always`] a
    /// [`ErrorKind::Poisoned`] may also mean that it is visible and not durable.
    #[inline]
    pub fn append(&mut self, payload: &[u8], type_id: u16) -> Result<u64> {
        let length = payload_len(payload.len())?;
        self.ready(record_len(length), 1)?;
        let offset = self.offset() + HEADER_LEN;
        let checksum = store_payload(self.region(), offset, payload);
        // A payload that went to a lost page must not be published. Here, because there is no header yet to be held over the look.
        self.check_pages()?;
        let header = MessageHeader {
            seq: self.place.seq,
            timestamp_ns: self.stamp(),
            length,
            checksum,
            type_id,
            epoch: self.place.epoch,
            ..MessageHeader::default()
        };
        if fault::planted("publish.early") {
            self.region().zero(offset, payload.len());
            publish_record(self.region(), self.place.offset, &header);
            self.region().copy_in(offset, payload);
        }
        self.publish(&header)
    }

    /// Appends one message if its seq will be `expected_seq`: optimistic concurrency over the whole log.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] with the actual next seq, and those of [`append`](Self::append).
    pub fn append_expecting(&mut self, payload: &[u8], type_id: u16, expected_seq: u64) -> Result<u64> {
        self.expect(expected_seq)?;
        self.append(payload, type_id)
    }

    /// The seq that the next message gets.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.place.seq
    }

    /// Waits until the helper thread has nothing to do.
    #[cfg(feature = "fault")]
    #[doc(hidden)]
    pub fn settle(&self) {
        self.preparer.settle(Duration::from_secs(600));
    }

    /// What flushes this writer's messages, from any thread.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.durability.clone()
    }

    pub(crate) fn expect(&self, expected_seq: u64) -> Result<()> {
        if self.place.seq == expected_seq {
            return Ok(());
        }
        let message = format!("the next seq is {}, expected {expected_seq}", self.place.seq);
        Err(Error::new(ErrorKind::Conflict, message).with_actual(self.place.seq))
    }

    /// Checks that this handle may append, and rolls when `needed` bytes of records do not fit any more.
    #[inline]
    pub(crate) fn ready(&mut self, needed: u64, count: u64) -> Result<()> {
        self.durability.check()?;
        if self.fork.is_child() || self.place.seq + count > MAX_SEQ + 1 {
            return Err(self.refuse());
        }
        if self.place.offset + needed > self.limit { self.roll(needed) } else { Ok(()) }
    }

    #[cold]
    fn refuse(&self) -> Error {
        let forked = self.refuse_child().err();
        forked.unwrap_or_else(|| {
            Error::new(ErrorKind::SeqExhausted, format!("the last seq is {MAX_SEQ}")).at_seq(self.place.seq)
        })
    }

    /// A forked child has the parent's mapping, and must not write to it.
    pub(crate) fn refuse_child(&self) -> Result<()> {
        if !self.fork.is_child() {
            return Ok(());
        }
        let message = "this process was forked from the one that opened the chronicle, which alone may write";
        Err(Error::new(ErrorKind::Forked, message).at_path(self.inner.directory.path()))
    }

    /// Lets appends go on in the active segment.
    pub(crate) fn open_limit(&mut self) {
        self.limit = limit_of(&self.active);
    }

    /// Publishes the record at the place, whose payload stands already, in pages that [`check_pages`](Self::check_pages) has found.
    #[inline]
    pub(crate) fn publish(&mut self, header: &MessageHeader) -> Result<u64> {
        publish_record(self.region(), self.place.offset, header);
        self.advance(record_len(header.length), 1)?;
        Ok(header.seq)
    }

    /// Where the next record goes.
    #[inline]
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// The offset of the next record in [`region`](Self::region).
    #[inline]
    pub(crate) fn offset(&self) -> usize {
        offset_in_map(self.place.offset)
    }

    #[inline]
    pub(crate) fn region(&self) -> &Region {
        &self.active.segment.region
    }

    /// The clock, which may go back, but not the log.
    #[inline]
    pub(crate) fn stamp(&mut self) -> u64 {
        self.place.timestamp_ns = self.place.timestamp_ns.max(self.clock.now_ns());
        self.place.timestamp_ns
    }

    /// Poisons the writer once a page that it stores to is not its file's any more: nobody else finds what is stored there.
    #[inline]
    pub(crate) fn check_pages(&self) -> Result<()> {
        if guard::hit() { self.check_own_pages() } else { Ok(()) }
    }

    #[cold]
    fn check_own_pages(&self) -> Result<()> {
        let intact = self.active.segment.intact().and_then(|()| self.inner.control.intact());
        intact.map_err(|e| self.durability.lose(&e))
    }

    /// Steps behind published records and tells everybody.
    #[inline]
    pub(crate) fn advance(&mut self, bytes: u64, count: u64) -> Result<()> {
        let start = (self.place.offset, self.place.seq);
        self.place.offset += bytes;
        self.place.seq += count;
        self.active.set_end(self.place.offset, self.place.seq);
        self.inner.control.set_head(self.place.seq);
        self.inner.control.wake_readers();
        // A header that went to a lost page was published to nobody: the head must not speak of it.
        self.check_pages().inspect_err(|_| self.inner.control.set_head(start.1))?;
        if self.place.offset >= self.event_at {
            self.event(start);
        }
        if self.inner.options.sync == SyncMode::Always {
            self.durability.sync_published()?;
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.fork.is_child() {
            // The threads and the lock belong to the parent.
            self.preparer.abandon();
            if let Some(flusher) = &mut self.flusher {
                flusher.abandon();
            }
            return;
        }
        self.abort_claim();
        self.flusher = None;
        if self.inner.options.sync != SyncMode::None {
            // Nobody is left to tell of a failure: durable_seq stays where it was, which is the truth.
            let _ = self.durability.sync().and_then(|_| self.inner.control.flush());
        }
        self.durability.close();
        self.inner.control.set_live(0);
        self.inner.control.set_writer_pid(0);
    }
}

/// The offset that records must not reach beyond: END has its place behind it.
fn limit_of(active: &Active) -> u64 {
    let kept = if fault::planted("end.unkept") { 0 } else { HEADER_LEN as u64 };
    active.segment.end() - kept
}

/// Stores a header whose payload stands already, and then its commit word.
#[inline]
pub(crate) fn publish_record(region: &Region, offset: u64, header: &MessageHeader) {
    let offset = offset_in_map(offset);
    store_header(region, offset, header);
    fault::point("record.written");
    wait::publish(region.word32(offset + COMMIT_WORD), header.commit_word());
    fault::point("record.published");
}

/// Stores the payload of a record and returns its checksum, and has lines of the next ones on their way meanwhile.
#[inline]
pub(crate) fn store_payload(region: &Region, offset: usize, payload: &[u8]) -> u32 {
    region.prefetch_stores(offset, HEADER_LEN + payload.len());
    region.copy_in_checked(offset, payload)
}

/// Stores all of a header but its commit word, which stays zero until the record is published.
#[inline]
pub(crate) fn store_header(region: &Region, offset: usize, header: &MessageHeader) {
    let bytes = header.to_bytes();
    region.copy_in(offset, &bytes[..COMMIT_WORD]);
    region.copy_in(offset + COMMIT_WORD + 4, &bytes[COMMIT_WORD + 4..]);
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "offsets inside of a mapping are a usize")]
pub(crate) fn offset_in_map(offset: u64) -> usize {
    offset as usize
}

#[inline]
pub(crate) fn payload_len(len: usize) -> Result<u32> {
    match u32::try_from(len) {
        Ok(length) if len <= MAX_PAYLOAD_LEN => Ok(length),
        _ => Err(too_large(len)),
    }
}

#[cold]
fn too_large(len: usize) -> Error {
    Error::new(
        ErrorKind::TooLarge,
        format!("a payload of {len} bytes is above the limit of {MAX_PAYLOAD_LEN}"),
    )
}

/// Who holds the lock. The holder stores its pid right behind the lock, so a missing one is worth a second look.
fn holder(inner: &Inner) -> Option<u32> {
    for _ in 0..20 {
        if let Some(pid) = inner.control.writer_pid() {
            return Some(pid);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}
