//! Reading: a position that walks the log and copies checked runs of messages out.

use std::sync::Arc;
use std::time::Duration;

use crate::checksum::crc32;
use crate::chronicle::Inner;
use crate::error::{Error, ErrorKind, Result};
use crate::header::MessageHeader;
use crate::layout::HEADER_LEN;
use crate::record::{self, Place, Record};
use crate::segment::Segment;
use crate::waiter::WaitHandle;

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

/// One message of a run that [`Reader::poll`] has copied out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Entry {
    /// Where the payload starts in the slab; a multiple of 8.
    pub offset: u32,
    /// Payload bytes.
    pub length: u32,
    /// The user's message type.
    pub type_id: u32,
    /// How many messages of the same batch still follow.
    pub batch_remaining: u32,
    /// Nanoseconds since the Unix epoch.
    pub timestamp_ns: u64,
    /// The message's number.
    pub seq: u64,
}

const _: () = assert!(size_of::<Entry>() == 32);

/// What [`Reader::poll`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// How many entries were filled. Zero at the head of the log, and where `need` is set.
    pub count: usize,
    /// When not zero: the next payload needs a slab of this many bytes.
    pub need: usize,
}

/// The payloads of a run start at multiples of this in the slab, so that wide typed arrays can stand over them.
const SLAB_ALIGN: usize = 8;

/// A position in the log. Each reader goes at its own pace, and needs no lock and no permission to write.
#[derive(Debug)]
pub struct Reader {
    inner: Arc<Inner>,
    cursor: Cursor,
    /// Empty polls in a row at this place: the first of them compares with the published head.
    idle: u32,
}

/// A place in a mapped segment, and the first seq and time that are wanted.
#[derive(Debug)]
pub(crate) struct Cursor {
    segment: Arc<Segment>,
    pub(crate) place: Place,
    min_seq: u64,
    min_timestamp_ns: u64,
}

impl Reader {
    pub(crate) fn open(inner: &Arc<Inner>, from: From) -> Result<Self> {
        let cursor = match from {
            From::Start => Cursor::at(inner, inner.first_seq()?, 0)?,
            From::Seq(seq) => Cursor::at(inner, seq, 0)?,
            From::End => Cursor::at(inner, inner.next_seq()?, 0)?,
            From::Last(count) => {
                let (first, next) = (inner.first_seq()?, inner.next_seq()?);
                Cursor::at(inner, next.saturating_sub(count).max(first), 0)?
            }
            From::Time(timestamp_ns) => Cursor::at_time(inner, timestamp_ns)?,
        };
        Ok(Self { inner: Arc::clone(inner), cursor, idle: 0 })
    }

    pub(crate) fn last_segment(inner: &Inner) -> Result<Cursor> {
        let bases = inner.bases()?;
        Cursor::start_of(inner, bases[bases.len() - 1])
    }

    /// The seq that the next poll returns first.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.cursor.place.seq.max(self.cursor.min_seq)
    }

    /// Copies a run of messages out: payloads into `slab`, one entry for each into `entries`.
    ///
    /// Every header and every copied payload is checked, so what was checked is what the caller sees. The run ends where
    /// `slab` or `entries` is full, or at the head of the log. Messages that were read before a bad one are returned, and
    /// the error by the next call, and by each after that.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`], [`ErrorKind::OutOfBounds`] and [`ErrorKind::UnsupportedFeature`] with file, offset and seq;
    /// [`ErrorKind::Gap`] and [`ErrorKind::MissingSegment`] when the next segment is gone; the system's errors.
    pub fn poll(&mut self, slab: &mut [u8], entries: &mut [Entry]) -> Result<Run> {
        let (mut count, mut used) = (0, 0);
        while count < entries.len() {
            match self.cursor.peek(&self.inner) {
                Ok(Some(header)) => {
                    let length = header.length as usize;
                    if used > slab.len() || slab.len() - used < length {
                        let need = if count == 0 { length } else { 0 };
                        return Ok(Run { count, need });
                    }
                    let payload = &mut slab[used..used + length];
                    match self.cursor.take(&header, payload) {
                        Ok(()) => entries[count] = entry(used, &header),
                        Err(e) if count == 0 => return Err(e),
                        Err(_) => break,
                    }
                    count += 1;
                    used = (used + length).next_multiple_of(SLAB_ALIGN);
                }
                Ok(None) if count == 0 => return self.at_head(slab, entries),
                Ok(None) => break,
                Err(e) if count == 0 => return Err(e),
                Err(_) => break,
            }
        }
        self.idle = 0;
        Ok(Run { count, need: 0 })
    }

    /// Blocks this thread until there is a message to poll or `timeout` is over. Returns whether there is one.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub fn wait(&mut self, timeout: Duration) -> Result<bool> {
        let start = std::time::Instant::now();
        let handle = WaitHandle::new(&self.inner);
        loop {
            let ticket = handle.ticket();
            if self.cursor.peek(&self.inner)?.is_some() {
                return Ok(true);
            }
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok(false);
            }
            handle.wait(ticket, left);
        }
    }

    /// Nothing is published at the place. A head beyond it, said by a writer of this boot, means that a record was lost.
    #[cold]
    fn at_head(&mut self, slab: &mut [u8], entries: &mut [Entry]) -> Result<Run> {
        // Looking at the head takes its cache line from the writer: a spinning reader does so once in a while only.
        let look = self.idle.is_multiple_of(4096);
        self.idle = self.idle.wrapping_add(1);
        let control = &self.inner.control;
        if !look || !control.same_boot() || control.head() <= self.cursor.place.seq {
            return Ok(Run { count: 0, need: 0 });
        }
        // The head is stored after the commit words below it, so by now the place must hold a record.
        if self.cursor.peek(&self.inner)?.is_some() {
            return self.poll(slab, entries);
        }
        if control.head() <= self.cursor.place.seq {
            return Ok(Run { count: 0, need: 0 });
        }
        let message = "the message was published and its record is not there any more";
        let lost = Error::new(ErrorKind::Corrupt, message);
        self.idle = 0;
        Err(record::locate(lost, &self.cursor.segment, &self.cursor.place))
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "a slab is shorter than 4 GiB: payloads end at 1 GiB")]
fn entry(offset: usize, header: &MessageHeader) -> Entry {
    Entry {
        offset: offset as u32,
        length: header.length,
        type_id: header.type_id.into(),
        batch_remaining: header.batch_remaining,
        timestamp_ns: header.timestamp_ns,
        seq: header.seq,
    }
}

impl Cursor {
    /// A cursor that starts at `seq`, in the segment that holds it or will hold it.
    fn at(inner: &Inner, seq: u64, min_timestamp_ns: u64) -> Result<Self> {
        let bases = inner.bases()?;
        let behind = bases.partition_point(|&base| base <= seq);
        if behind == 0 {
            return Err(gap(inner, seq, bases[0]));
        }
        let mut cursor = Self::start_of(inner, bases[behind - 1])?;
        cursor.min_seq = seq;
        cursor.min_timestamp_ns = min_timestamp_ns;
        Ok(cursor)
    }

    /// A cursor in the last segment before which no message is as late as `timestamp_ns`.
    fn at_time(inner: &Inner, timestamp_ns: u64) -> Result<Self> {
        let bases = inner.bases()?;
        let (mut low, mut high) = (0, bases.len());
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            let earlier = inner.segment(bases[middle])?.header.previous_timestamp_ns < timestamp_ns;
            if earlier { low = middle } else { high = middle }
        }
        let mut cursor = Self::start_of(inner, bases[low])?;
        cursor.min_timestamp_ns = timestamp_ns;
        Ok(cursor)
    }

    fn start_of(inner: &Inner, base: u64) -> Result<Self> {
        let segment = match inner.segment(base) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Err(absent(inner, base)),
            other => other?,
        };
        let place = segment.start();
        Ok(Self { segment, place, min_seq: 0, min_timestamp_ns: 0 })
    }

    /// The header of the next message that is wanted, or `None` at the head. Steps over messages before it and over END.
    #[inline]
    fn peek(&mut self, inner: &Inner) -> Result<Option<MessageHeader>> {
        loop {
            match record::read(&self.segment, &self.place)? {
                Record::Message(header) => {
                    if header.seq >= self.min_seq && header.timestamp_ns >= self.min_timestamp_ns {
                        return Ok(Some(header));
                    }
                    self.place = self.place.after(&header);
                }
                Record::Unpublished => return Ok(None),
                Record::End => self.cross(inner)?,
            }
        }
    }

    /// Copies the payload out, checks the copy and steps behind the message.
    #[inline]
    fn take(&mut self, header: &MessageHeader, payload: &mut [u8]) -> Result<()> {
        #[expect(clippy::cast_possible_truncation, reason = "a place lies inside of a mapping, whose length is a usize")]
        let offset = self.place.offset as usize + HEADER_LEN;
        self.segment.region.copy_out(offset, payload);
        let actual = crc32(payload);
        if actual != header.checksum {
            return Err(record::locate(header.payload_mismatch(actual), &self.segment, &self.place));
        }
        self.place = self.place.after(header);
        Ok(())
    }

    /// Goes on in the next segment, which was there before END was published.
    #[cold]
    fn cross(&mut self, inner: &Inner) -> Result<()> {
        let mut next = Self::start_of(inner, self.place.seq)?;
        if !next.place.follows(&self.place) {
            let message = "the segment is older than the one before it";
            return Err(record::locate(Error::new(ErrorKind::Corrupt, message), &next.segment, &next.place));
        }
        (next.min_seq, next.min_timestamp_ns) = (self.min_seq, self.min_timestamp_ns);
        *self = next;
        Ok(())
    }

    /// Walks behind the last published message without looking at payloads.
    pub(crate) fn skip_to_head(&mut self, inner: &Inner) -> Result<()> {
        (self.min_seq, self.min_timestamp_ns) = (u64::MAX, 0);
        self.peek(inner).map(|_| ())
    }
}

/// The segment that starts at `base` is not there: pruned when all that is left comes after it, missing otherwise.
fn absent(inner: &Inner, base: u64) -> Error {
    match inner.bases() {
        Ok(bases) if bases[0] > base => gap(inner, base, bases[0]),
        Ok(_) => inner.missing(base),
        Err(e) => e,
    }
}

fn gap(inner: &Inner, seq: u64, first: u64) -> Error {
    Error::new(ErrorKind::Gap, format!("message {seq} was pruned; the first that is left is {first}"))
        .at_path(inner.directory.path())
        .at_seq(seq)
        .with_first(first)
}
