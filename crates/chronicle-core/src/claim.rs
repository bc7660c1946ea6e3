//! A message that is filled in place: space in the log that is claimed, written to, and then published or given back.

use crate::error::{Error, ErrorKind, Result};
use crate::header::MessageHeader;
use crate::layout::{HEADER_LEN, record_len};
use crate::writer::{Writer, payload_len};

/// The payload of a message to be, in the log's own memory. Nobody sees it before [`publish`](Self::publish); dropped without,
/// it leaves no trace.
///
/// ```
/// # use chronicle_core::{Chronicle, Options};
/// # let dir = tempfile::tempdir()?;
/// # let log = Chronicle::open(dir.path(), &Options::default())?;
/// let mut writer = log.writer(std::time::Duration::ZERO)?;
/// let mut claim = writer.claim(10)?;
/// claim.write(0, b"hello")?;
/// claim.write(5, b"world")?;
/// assert_eq!(claim.publish(1)?, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Claim<'a> {
    writer: &'a mut Writer,
}

impl Claim<'_> {
    /// The bytes that were claimed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.writer.claimed.unwrap_or(0) as usize
    }

    /// Whether the message has no payload.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies `bytes` to `offset` of the payload. What is not written stays zero.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfBounds`] when they are not all inside.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<()> {
        self.writer.fill_claim(offset, bytes)
    }

    /// Publishes the message and returns its seq.
    ///
    /// # Errors
    /// As [`append`](Writer::append) with [`SyncMode::Always`](crate::SyncMode::Always).
    pub fn publish(self, type_id: u16) -> Result<u64> {
        self.writer.publish_claim(type_id)
    }

    /// Gives the space back. The same as dropping the claim.
    pub fn abort(self) {}
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.writer.abort_claim();
    }
}

impl Writer {
    /// Claims space for a message of `length` zero bytes.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn claim(&mut self, length: usize) -> Result<Claim<'_>> {
        self.open_claim(length)?;
        Ok(Claim { writer: self })
    }

    /// [`claim`](Self::claim) for those who cannot hold a borrow of the writer: the claim stays open until
    /// [`publish_claim`](Self::publish_claim), [`abort_claim`](Self::abort_claim) or the end of the writer, and everything else
    /// that appends is refused meanwhile.
    ///
    /// # Errors
    /// As [`append`](Self::append); [`ErrorKind::InvalidArgument`] while another claim is open.
    pub fn open_claim(&mut self, length: usize) -> Result<()> {
        let length = payload_len(length)?;
        self.ready(record_len(length), 1)?;
        self.claimed = Some(length);
        // Nothing fits any more: whoever appends gets to the roll, which refuses.
        self.limit = 0;
        Ok(())
    }

    /// Copies `bytes` to `offset` of the claimed payload. What is not written stays zero.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfBounds`] when they are not all inside, [`ErrorKind::InvalidArgument`] without an open claim,
    /// [`ErrorKind::Forked`] in a forked child.
    pub fn fill_claim(&mut self, offset: usize, bytes: &[u8]) -> Result<()> {
        self.refuse_child()?;
        let length = self.claimed.ok_or_else(no_claim)? as usize;
        if offset > length || bytes.len() > length - offset {
            let message = format!("{} bytes at {offset} are not inside of {length} bytes", bytes.len());
            return Err(Error::new(ErrorKind::OutOfBounds, message));
        }
        self.region().copy_in(self.offset() + HEADER_LEN + offset, bytes);
        Ok(())
    }

    /// Publishes the claimed message and returns its seq.
    ///
    /// # Errors
    /// As [`append`](Self::append); [`ErrorKind::InvalidArgument`] without an open claim. What cannot be published stays claimed.
    pub fn publish_claim(&mut self, type_id: u16) -> Result<u64> {
        self.refuse_child()?;
        self.durability.check()?;
        let length = self.claimed.ok_or_else(no_claim)?;
        let timestamp_ns = self.stamp();
        let (place, payload) = (self.place(), self.offset() + HEADER_LEN);
        let header = MessageHeader {
            seq: place.seq,
            timestamp_ns,
            length,
            checksum: self.region().checksum(payload, length as usize),
            type_id,
            epoch: place.epoch,
            ..MessageHeader::default()
        };
        self.check_pages()?;
        self.claimed = None;
        self.open_limit();
        self.publish(&header)
    }

    /// Gives the claimed space back, if there is any.
    pub fn abort_claim(&mut self) {
        if self.refuse_child().is_err() {
            return;
        }
        if let Some(length) = self.claimed.take() {
            // A later, shorter record's successor may have its commit word here.
            if !crate::fault::planted("claim.unzeroed") {
                self.region().zero(self.offset() + HEADER_LEN, length as usize);
            }
            self.open_limit();
        }
    }
}

#[cold]
fn no_claim() -> Error {
    Error::invalid("no claim is open: it was published or aborted")
}
