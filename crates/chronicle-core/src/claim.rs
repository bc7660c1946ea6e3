//! A message that is filled in place: space in the log that is claimed, written to, and then published or given back.

use crate::error::{Error, ErrorKind, Result};
use crate::header::MessageHeader;
use crate::layout::HEADER_LEN;
use crate::record;
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
    length: u32,
    published: bool,
}

impl Writer {
    /// Claims space for a message of `length` zero bytes.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn claim(&mut self, length: usize) -> Result<Claim<'_>> {
        let length = payload_len(length)?;
        self.ready(crate::layout::record_len(length), 1)?;
        Ok(Claim { writer: self, length, published: false })
    }
}

impl Claim<'_> {
    /// The bytes that were claimed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length as usize
    }

    /// Whether the message has no payload.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Copies `bytes` to `offset` of the payload. What is not written stays zero.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfBounds`] when they are not all inside.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<()> {
        if offset > self.len() || bytes.len() > self.len() - offset {
            let message =
                format!("{} bytes at {offset} are not inside of {} bytes", bytes.len(), self.length);
            return Err(Error::new(ErrorKind::OutOfBounds, message));
        }
        self.writer.region().copy_in(self.start() + offset, bytes);
        Ok(())
    }

    /// Publishes the message and returns its seq.
    ///
    /// # Errors
    /// As [`append`](Writer::append) with [`SyncMode::Always`](crate::SyncMode::Always).
    pub fn publish(mut self, type_id: u16) -> Result<u64> {
        let timestamp_ns = self.writer.stamp();
        let place = self.writer.place();
        let header = MessageHeader {
            seq: place.seq,
            timestamp_ns,
            length: self.length,
            checksum: record::payload_checksum(self.writer.region(), self.start(), self.len()),
            type_id,
            epoch: place.epoch,
            ..MessageHeader::default()
        };
        self.published = true;
        self.writer.publish(&header)
    }

    /// Gives the space back. The same as dropping the claim.
    pub fn abort(self) {}

    fn start(&self) -> usize {
        self.writer.offset() + HEADER_LEN
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if !self.published {
            // A later, shorter record's successor may have its commit word here.
            self.writer.region().zero(self.start(), self.len());
        }
    }
}
