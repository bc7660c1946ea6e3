//! Reading: a position that walks the log and copies checked runs of messages out.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::chronicle::Inner;
use crate::cursor::Cursor;
use crate::error::{ErrorKind, Result};
use crate::header::MessageHeader;
use crate::position::Position;
use crate::record;
use crate::run::{self, Entry, Run};
use crate::view::Viewing;
use crate::waiter::WaitHandle;

/// How long a reader looks for a message before it sleeps, when they come fast.
const MAX_SPIN: Duration = Duration::from_micros(300);

/// How long it sleeps before it looks whether the words that would wake it are still there.
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// Where a reader starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// At the first message that is left.
    Start,
    /// Behind the last message that is published now.
    End,
    /// At the message with this seq; one that is not published yet is waited for.
    Seq(u64),
    /// At the first message with this timestamp, in nanoseconds since the Unix epoch, or a later one.
    Time(u64),
    /// At the message this many before the end, or the first that is left.
    Last(u64),
}

/// What stood at the place.
enum Step {
    Taken(Entry),
    Head,
    Needs(usize),
}

/// A position in the log. Each reader goes at its own pace, and needs no lock and no permission to write.
#[derive(Debug)]
pub struct Reader {
    pub(crate) inner: Arc<Inner>,
    pub(crate) cursor: Cursor,
    /// Empty polls in a row at this place: the first of them compares with the published head.
    pub(crate) idle: u32,
    /// Whether the last message that was waited for came so soon that the next one is worth looking for without a sleep.
    busy: bool,
    /// The durable point as it was last looked at, when nothing beyond it is wanted.
    durable: Option<u64>,
    /// Whether the reader has gone backward, which starts from an exact place.
    turned: bool,
    /// Whether a writer has recovered the log in this boot, as far as it was looked at.
    recovered: bool,
    /// Of a named reader.
    pub(crate) position: Option<Position>,
    pub(crate) moved_back_from: Option<u64>,
    /// Of a reader that hands payloads out where they lie.
    pub(crate) viewing: Option<Viewing>,
}

impl Reader {
    pub(crate) fn open(inner: &Arc<Inner>, from: From) -> Result<Self> {
        let cursor = loop {
            let left = inner.control.first_seq();
            match cursor_at(inner, from) {
                // Found, and pruned before it was opened: there is another one now.
                Err(e)
                    if matches!(e.kind(), ErrorKind::Gap | ErrorKind::NotFound)
                        && !matches!(from, From::Seq(_))
                        && inner.control.first_seq() != left => {}
                other => break other?,
            }
        };
        Ok(Self {
            inner: Arc::clone(inner),
            cursor,
            idle: 0,
            busy: false,
            durable: None,
            turned: false,
            recovered: false,
            position: None,
            moved_back_from: None,
            viewing: None,
        })
    }

    /// Makes this reader see durable messages only: those that no power cut takes.
    #[must_use]
    pub fn durable_only(mut self) -> Self {
        self.durable = Some(0);
        self
    }

    /// The seq that the next poll returns first.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.cursor.next_seq()
    }

    /// Copies a run of messages out: payloads into `slab`, one entry for each into `entries`.
    ///
    /// Every header and every copied payload is checked, so what was checked is what the caller sees. The run ends where
    /// `slab` or `entries` is full, or at the head of the log. Messages that were read before a bad one are returned, and
    /// the error by the next call, and by each after that.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt), [`OutOfBounds`](crate::ErrorKind::OutOfBounds) and
    /// [`UnsupportedFeature`](crate::ErrorKind::UnsupportedFeature) with file, offset and seq;
    /// [`Gap`](crate::ErrorKind::Gap) and [`MissingSegment`](crate::ErrorKind::MissingSegment) when the next segment is gone; the system's errors.
    pub fn poll(&mut self, slab: &mut [u8], entries: &mut [Entry]) -> Result<Run> {
        let (mut count, mut used) = (0, 0);
        loop {
            if self.recovered && self.cursor.wants_all() {
                let durable = self.durable.unwrap_or(u64::MAX);
                (count, used) = self.cursor.take_run(slab, used, entries, count, durable);
            }
            if count == entries.len() {
                break;
            }
            match self.poll_one(slab, used) {
                Ok(Step::Taken(entry)) => {
                    used = entry.slab_end();
                    entries[count] = entry;
                    count += 1;
                }
                Ok(Step::Head) if count == 0 => {
                    if !self.head_is_behind()? {
                        return Ok(Run { count, need: 0 });
                    }
                }
                Ok(Step::Needs(need)) if count == 0 => return Ok(Run { count, need }),
                Err(e) if count == 0 => return Err(e),
                Ok(Step::Head | Step::Needs(_)) | Err(_) => break,
            }
        }
        self.idle = 0;
        Ok(Run { count, need: 0 })
    }

    /// Copies the next message to `slab[used..]`, with every check and every case.
    fn poll_one(&mut self, slab: &mut [u8], used: usize) -> Result<Step> {
        let Some(header) = self.peek()? else { return Ok(Step::Head) };
        let length = header.length as usize;
        if !fits(slab, used, length) {
            return Ok(Step::Needs(length));
        }
        run::pad(&mut slab[used..], length);
        self.cursor.take(&header, &mut slab[used..used + length])?;
        Ok(Step::Taken(Entry::new(used, &header)))
    }

    /// Copies a run of the messages before the place out, the last one first, and goes back behind them.
    ///
    /// Entries are in descending order of seq. A count of zero with no `need` says that the first message that is left has been
    /// passed.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub fn poll_back(&mut self, slab: &mut [u8], entries: &mut [Entry]) -> Result<Run> {
        self.turn()?;
        let (mut count, mut used) = (0, 0);
        while count < entries.len() {
            let header = match self.step_back() {
                Ok(Some(header)) => header,
                Err(e) if count == 0 => return Err(e),
                Ok(None) | Err(_) => break,
            };
            let length = header.length as usize;
            if !fits(slab, used, length) {
                self.cursor.undo_step_back(&header);
                let need = if count == 0 { length } else { 0 };
                return Ok(Run { count, need });
            }
            run::pad(&mut slab[used..], length);
            if let Err(e) = self.cursor.copy(&header, &mut slab[used..used + length]) {
                self.cursor.undo_step_back(&header);
                if count == 0 {
                    return Err(e);
                }
                break;
            }
            entries[count] = Entry::new(used, &header);
            used = entries[count].slab_end();
            count += 1;
        }
        if count == 0 {
            self.inner.control.intact()?;
        }
        Ok(Run { count, need: 0 })
    }

    /// Goes to the place that a walk backward starts from.
    pub(crate) fn turn(&mut self) -> Result<()> {
        if !self.turned {
            self.settle()?;
            self.turned = true;
        }
        Ok(())
    }

    /// The message before the place that may be seen.
    pub(crate) fn step_back(&mut self) -> Result<Option<MessageHeader>> {
        loop {
            match self.cursor.step_back(&self.inner)? {
                Some(header) if self.durable.is_some_and(|_| header.seq >= self.inner.control.durable()) => {}
                found => return Ok(found),
            }
        }
    }

    /// The next message that is wanted and may be seen.
    #[inline]
    pub(crate) fn peek(&mut self) -> Result<Option<MessageHeader>> {
        let peeked = if self.recovered { self.cursor.peek(&self.inner)? } else { self.peek_unrecovered()? };
        let Some(header) = peeked else { return Ok(None) };
        match self.durable {
            Some(durable) if header.seq >= durable => {
                let durable = self.inner.control.durable();
                self.durable = Some(durable);
                Ok((header.seq < durable).then_some(header))
            }
            _ => Ok(Some(header)),
        }
    }

    /// After a power cut and before a writer has recovered the log: it ends where the recovery will cut it, which is no
    /// corruption.
    #[cold]
    fn peek_unrecovered(&mut self) -> Result<Option<MessageHeader>> {
        self.recovered = self.inner.control.recovered();
        self.cursor.end_seq = if self.recovered { u64::MAX } else { self.inner.readable_end() };
        self.cursor.peek(&self.inner)
    }

    /// Walks to the first message that is wanted, or to the head.
    pub(crate) fn settle(&mut self) -> Result<()> {
        if self.recovered { self.cursor.peek(&self.inner) } else { self.peek_unrecovered() }.map(|_| ())
    }

    /// Blocks this thread until there is a message to poll or `timeout` is over. Returns whether there is one.
    ///
    /// A reader whose last message came within 300 µs looks for the next one for so long before it sleeps: waking a thread takes
    /// the writer a system call and may take longer than that message is away.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub fn wait(&mut self, timeout: Duration) -> Result<bool> {
        let start = Instant::now();
        let found = (self.busy && self.spin(start, timeout.min(MAX_SPIN))?) || self.sleep(start, timeout)?;
        self.busy = found && start.elapsed() < MAX_SPIN && spinning_pays();
        Ok(found)
    }

    /// Looks for a message again and again for as long as `patience`.
    fn spin(&mut self, start: Instant, patience: Duration) -> Result<bool> {
        while start.elapsed() < patience {
            if self.peek()?.is_some() {
                return Ok(true);
            }
            std::hint::spin_loop();
        }
        Ok(false)
    }

    fn sleep(&mut self, start: Instant, timeout: Duration) -> Result<bool> {
        let handle = WaitHandle::new(&self.inner);
        loop {
            let ticket = handle.ticket();
            self.inner.control.intact()?;
            if self.peek()?.is_some() {
                return Ok(true);
            }
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok(false);
            }
            handle.wait(ticket, left.min(MAX_SLEEP));
        }
    }

    /// Nothing is published at the place. Whether there is something now, after all: a head beyond it, where it is known to hold,
    /// or a durable point beyond it, said by any, means that a record was lost.
    #[cold]
    pub(crate) fn head_is_behind(&mut self) -> Result<bool> {
        self.inner.control.intact()?;
        // Looking at the head takes its cache line from the writer: a spinning reader does so once in a while only.
        let look = self.idle.is_multiple_of(4096);
        self.idle = self.idle.wrapping_add(1);
        if !look || self.durable.is_some() {
            return Ok(false);
        }
        let control = &self.inner.control;
        let head = if control.recovered() { control.head() } else { 0 };
        let promised = head.max(control.stored_durable());
        if promised <= self.cursor.place.seq {
            return Ok(false);
        }
        // Both are stored after the commit words below them, so by now the place must hold a record.
        if self.peek()?.is_some() {
            return Ok(true);
        }
        self.idle = 0;
        Err(record::vanished(&self.cursor.segment, &self.cursor.place))
    }
}

impl Reader {
    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// The error that a poll meets at the place, if it meets one. Nothing is taken.
    pub(crate) fn examine(&mut self) -> Result<()> {
        let Some(header) = self.peek()? else {
            self.idle = 0;
            return self.head_is_behind().map(|_| ());
        };
        self.cursor.check(&header)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // A position that cannot be flushed is as good as before for all but a power cut, after which messages come again.
        let _ = self.flush_position();
    }
}

/// Whether the writer can run while this thread looks for its messages.
fn spinning_pays() -> bool {
    static PAYS: OnceLock<bool> = OnceLock::new();
    *PAYS.get_or_init(|| std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1))
}

/// Whether `length` bytes fit behind `used`; an entry tells places below 4 GiB.
fn fits(slab: &[u8], used: usize, length: usize) -> bool {
    used <= slab.len().min(u32::MAX as usize) && slab.len() - used >= length
}

fn cursor_at(inner: &Inner, from: From) -> Result<Cursor> {
    match from {
        From::Start => Cursor::at(inner, inner.first_seq()?),
        From::Seq(seq) => Cursor::at(inner, seq),
        From::End => Cursor::at(inner, inner.next_seq()?),
        From::Last(count) => {
            let (first, next) = (inner.first_seq()?, inner.next_seq()?);
            Cursor::at(inner, next.saturating_sub(count).max(first))
        }
        From::Time(timestamp_ns) => Cursor::at_time(inner, timestamp_ns),
    }
}
