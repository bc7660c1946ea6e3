//! Batches: messages of which every reader, and recovery after any failure, finds all or none.

use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::header::{COMMIT_WORD, MessageHeader};
use crate::layout::{HEADER_LEN, MAX_BATCH_BYTES, record_len};
use crate::wait;
use crate::writer::{Writer, offset_in_map, payload_len, store_header, store_payload};

/// One message of a batch: its length in the payload bytes that go with it, and its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct BatchItem {
    /// Payload bytes.
    pub length: u32,
    /// The user's message type, 0 to 65535.
    pub type_id: u32,
}

const _: () = assert!(size_of::<BatchItem>() == 8);

impl Writer {
    /// Appends a batch: every reader, and recovery after any failure, finds all of its messages or none.
    ///
    /// `payloads` holds the payloads one behind the other, `items` their lengths and types. Returns the first and the last
    /// seq.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when the batch is empty, a type is above 65535, or the lengths do not add up;
    /// [`ErrorKind::TooLarge`] when its records take more than 2 GiB; [`ErrorKind::Conflict`] as in
    /// [`append_expecting`](Self::append_expecting), and those of [`append`](Self::append). Nothing is appended then.
    pub fn append_batch(
        &mut self,
        payloads: &[u8],
        items: &[BatchItem],
        expected_seq: Option<u64>,
    ) -> Result<(u64, u64)> {
        let needed = batch_len(payloads, items)?;
        if let Some(expected_seq) = expected_seq {
            self.expect(expected_seq)?;
        }
        let count = items.len() as u64;
        self.ready(needed, count)?;
        let first = self.next_seq();
        let first_word = self.write_batch(payloads, items);
        fault::point("batch.written");
        self.check_pages()?;
        let region = self.region();
        wait::publish(region.word32(self.offset() + COMMIT_WORD), first_word);
        self.advance(needed, count)?;
        Ok((first, first + count - 1))
    }

    /// Writes all records and publishes all but the first, whose commit word is returned: it publishes the batch.
    fn write_batch(&mut self, payloads: &[u8], items: &[BatchItem]) -> u32 {
        let timestamp_ns = self.stamp();
        let region = self.region();
        let mut place = self.place();
        let (mut rest, mut first_word) = (payloads, 0);
        for (index, item) in items.iter().enumerate() {
            let (payload, behind) = rest.split_at(item.length as usize);
            rest = behind;
            let offset = offset_in_map(place.offset);
            let checksum = store_payload(region, offset + HEADER_LEN, payload);
            #[expect(clippy::cast_possible_truncation, reason = "batch_len has checked types and count")]
            let header = MessageHeader {
                seq: place.seq,
                timestamp_ns,
                length: item.length,
                checksum,
                type_id: item.type_id as u16,
                batch_remaining: (items.len() - 1 - index) as u32,
                epoch: place.epoch,
                ..MessageHeader::default()
            };
            store_header(region, offset, &header);
            if index == 0 {
                first_word = header.commit_word();
            }
            if index > 0 || fault::planted("batch.forward") {
                wait::publish(region.word32(offset + COMMIT_WORD), header.commit_word());
                fault::point("batch.published");
            }
            place = place.after(&header);
        }
        first_word
    }
}

/// Checks a batch and adds up its records.
fn batch_len(payloads: &[u8], items: &[BatchItem]) -> Result<u64> {
    if items.is_empty() {
        return Err(Error::invalid("a batch holds at least one message"));
    }
    let (mut bytes, mut needed) = (0u64, 0u64);
    for item in items {
        payload_len(item.length as usize)?;
        if item.type_id > u16::MAX.into() {
            return Err(Error::invalid(format!("type must be 0 to 65535, got {}", item.type_id)));
        }
        bytes += u64::from(item.length);
        needed += record_len(item.length);
        if needed > MAX_BATCH_BYTES {
            let message = format!("the records of a batch take at most {MAX_BATCH_BYTES} bytes");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
    }
    if bytes == payloads.len() as u64 {
        return Ok(needed);
    }
    Err(Error::invalid(format!("the lengths add up to {bytes} bytes, the payloads have {}", payloads.len())))
}
