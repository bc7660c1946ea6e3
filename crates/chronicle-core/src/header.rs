//! The 64-byte message header, its bytes and its checks.
#![expect(
    clippy::pub_underscore_fields,
    clippy::used_underscore_binding,
    reason = "the underscore marks the fields that a later version may use, as in the format's table"
)]

use crate::checksum::{crc32, crc32_of_front};
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::layout::{HEADER_LEN, MAX_PAYLOAD_LEN, MAX_SEQ};

const SEQ: usize = 0;
const TIMESTAMP_NS: usize = SEQ + 8;
const LENGTH: usize = TIMESTAMP_NS + 8;
const CHECKSUM: usize = LENGTH + 4;
/// The commit word: `type_id`, `flags` and the reserved byte, stored at once when a message is published.
pub(crate) const COMMIT_WORD: usize = CHECKSUM + 4;
const TYPE_ID: usize = COMMIT_WORD;
const FLAGS: usize = TYPE_ID + 2;
const RESERVED: usize = FLAGS + 1;
const BATCH_REMAINING: usize = RESERVED + 1;
const EPOCH: usize = BATCH_REMAINING + 4;
const PAD: usize = EPOCH + 4;
const HEADER_CHECKSUM: usize = PAD + 24;

const _: () = assert!(HEADER_CHECKSUM + 4 == HEADER_LEN);
const _: () = assert!(COMMIT_WORD.is_multiple_of(4) && COMMIT_WORD + 4 == BATCH_REMAINING);

/// Flag bit 0: the message is published.
pub const VALID: u8 = 1;
/// Flag bit 1: the segment ends here, and the next message opens the next segment.
pub const END: u8 = 2;

/// [`VALID`] at its place in the little-endian commit word.
pub(crate) const COMMIT_VALID: u32 = (VALID as u32) << 16;

/// The header in front of every payload: 64 bytes, 64-byte aligned, one cache line.
///
/// The table of fields is in `docs/FORMAT.md`. The bytes on disk are made by [`to_bytes`](Self::to_bytes) and
/// read by [`from_bytes`](Self::from_bytes), little-endian on every system, never by a cast.
///
/// ```
/// use chronicle_core::{MessageHeader, VALID, crc32};
///
/// let payload = b"hello";
/// let mut header = MessageHeader::new(5, 0, 1_700_000_000_000_000_000, 7, crc32(payload));
/// header.flags = VALID;
/// let read = MessageHeader::from_bytes(&header.to_bytes())?;
/// assert_eq!(read.length, 5);
/// read.validate_payload(payload)?;
/// # Ok::<(), chronicle_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C, align(64))]
pub struct MessageHeader {
    /// The message's number, contiguous from 0 over the life of the chronicle.
    pub seq: u64,
    /// Nanoseconds since the Unix epoch, never decreasing along the log.
    pub timestamp_ns: u64,
    /// Payload bytes; 0 is valid.
    pub length: u32,
    /// CRC-32 of the payload.
    pub checksum: u32,
    /// The user's message type.
    pub type_id: u16,
    /// [`VALID`] and [`END`]; every other bit is 0.
    pub flags: u8,
    /// 0.
    pub _reserved: u8,
    /// How many messages of the same atomic batch still follow.
    pub batch_remaining: u32,
    /// The number of the writer's opening that wrote the message; never falls along the log.
    pub epoch: u32,
    /// 0; checked, so that a later version can use it.
    pub _pad: [u8; 24],
    /// CRC-32 of bytes 0..60 with VALID clear; [`to_bytes`](Self::to_bytes) computes it.
    pub header_checksum: u32,
}

const _: () = assert!(size_of::<MessageHeader>() == HEADER_LEN);
const _: () = assert!(align_of::<MessageHeader>() == HEADER_LEN);

impl MessageHeader {
    /// A header of a message that is not published yet: VALID clear, in no batch, of epoch 0.
    #[must_use]
    pub fn new(length: u32, seq: u64, timestamp_ns: u64, type_id: u16, checksum: u32) -> Self {
        let mut header = Self { seq, timestamp_ns, length, checksum, type_id, ..Self::default() };
        header.header_checksum = header.compute_checksum();
        header
    }

    /// The END record of a segment whose last message is the one before `seq`.
    pub(crate) fn end(seq: u64, timestamp_ns: u64, epoch: u32) -> Self {
        Self { seq, timestamp_ns, epoch, flags: END, ..Self::default() }
    }

    /// Whether the message is published.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.flags & VALID != 0
    }

    /// Whether this ends a segment.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.flags & END != 0
    }

    /// The word that publishes the message when it is stored at [`COMMIT_WORD`].
    #[inline]
    pub(crate) fn commit_word(&self) -> u32 {
        u32::from(self.type_id) | (u32::from(self.flags | VALID) << 16)
    }

    /// The 64 bytes of the header, with the header checksum computed afresh.
    #[inline]
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = self.unchecked_bytes();
        bytes[HEADER_CHECKSUM..].copy_from_slice(&self.compute_checksum().to_le_bytes());
        bytes
    }

    /// Reads a header and checks it: header checksum, flags, reserved bytes and limits.
    ///
    /// A header that is not published yet passes too: look at [`is_valid`](Self::is_valid).
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when the checksum is wrong, [`ErrorKind::UnsupportedFeature`] when it is right and a bit is
    /// set that this version does not know, [`ErrorKind::OutOfBounds`] when `length` or `seq` is above its limit.
    #[inline]
    pub fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Result<Self> {
        let header = Self::parse(bytes);
        let checksum = header.compute_checksum();
        if (checksum == header.header_checksum || fault::planted("header.unchecked"))
            && header.flags & !(VALID | END) == 0
            && header._reserved == 0
            && (header._pad == [0; 24] || crate::fault::planted("header.reserved"))
            && header.length as usize <= MAX_PAYLOAD_LEN
            && header.seq <= MAX_SEQ + 1
        {
            return Ok(header);
        }
        Err(header.refusal(checksum))
    }

    /// The fields as they stand, nothing checked.
    #[inline]
    pub(crate) fn parse(bytes: &[u8; HEADER_LEN]) -> Self {
        Self {
            seq: u64_at(bytes, SEQ),
            timestamp_ns: u64_at(bytes, TIMESTAMP_NS),
            length: u32_at(bytes, LENGTH),
            checksum: u32_at(bytes, CHECKSUM),
            type_id: u16::from_le_bytes([bytes[TYPE_ID], bytes[TYPE_ID + 1]]),
            flags: bytes[FLAGS],
            _reserved: bytes[RESERVED],
            batch_remaining: u32_at(bytes, BATCH_REMAINING),
            epoch: u32_at(bytes, EPOCH),
            _pad: {
                let mut pad = [0; 24];
                pad.copy_from_slice(&bytes[PAD..HEADER_CHECKSUM]);
                pad
            },
            header_checksum: u32_at(bytes, HEADER_CHECKSUM),
        }
    }

    /// Whether this is a published message whose checksum holds, with nothing in it that a later version may have put there.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.flags == VALID
            && self._reserved == 0
            && self._pad == [0; 24]
            && self.front_checksum() == self.header_checksum
    }

    /// Checks a payload against `length` and `checksum`.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when either differs.
    #[inline]
    pub fn validate_payload(&self, payload: &[u8]) -> Result<()> {
        if payload.len() != self.length as usize {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("payload has {} bytes, its header says {}", payload.len(), self.length),
            )
            .at_seq(self.seq));
        }
        let actual = crc32(payload);
        if actual == self.checksum { Ok(()) } else { Err(self.payload_mismatch(actual)) }
    }

    #[cold]
    pub(crate) fn payload_mismatch(&self, actual: u32) -> Error {
        let message = format!("payload checksum is {actual:#010x}, its header says {:#010x}", self.checksum);
        Error::new(ErrorKind::Corrupt, message).at_seq(self.seq)
    }

    #[cold]
    fn refusal(&self, actual: u32) -> Error {
        if actual != self.header_checksum {
            let message = format!("header checksum is {actual:#010x}, stored {:#010x}", self.header_checksum);
            return Error::new(ErrorKind::Corrupt, message);
        }
        if self.flags & !(VALID | END) != 0 {
            let message = format!("unknown message flags {:#04x}", self.flags & !(VALID | END));
            return Error::new(ErrorKind::UnsupportedFeature, message).at_seq(self.seq);
        }
        if self._reserved != 0 || self._pad != [0; 24] {
            let message = "reserved bytes of the message header are in use";
            return Error::new(ErrorKind::UnsupportedFeature, message).at_seq(self.seq);
        }
        let message = format!("length {} or seq {} is above its limit", self.length, self.seq);
        Error::new(ErrorKind::OutOfBounds, message)
    }

    #[inline]
    fn compute_checksum(&self) -> u32 {
        if self._pad == [0; 24] { self.front_checksum() } else { self.padded_checksum() }
    }

    /// The checksum of a header whose padding is zero.
    #[inline]
    fn front_checksum(&self) -> u32 {
        let flags = u64::from(self.flags & !VALID) | (u64::from(self._reserved) << 8);
        crc32_of_front(
            [
                self.seq,
                self.timestamp_ns,
                u64::from(self.length) | (u64::from(self.checksum) << 32),
                u64::from(self.type_id) | (flags << 16) | (u64::from(self.batch_remaining) << 32),
            ],
            self.epoch,
        )
    }

    #[cold]
    fn padded_checksum(&self) -> u32 {
        let mut bytes = self.unchecked_bytes();
        bytes[FLAGS] &= !VALID;
        crc32(&bytes[..HEADER_CHECKSUM])
    }

    #[inline]
    fn unchecked_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[SEQ..TIMESTAMP_NS].copy_from_slice(&self.seq.to_le_bytes());
        bytes[TIMESTAMP_NS..LENGTH].copy_from_slice(&self.timestamp_ns.to_le_bytes());
        bytes[LENGTH..CHECKSUM].copy_from_slice(&self.length.to_le_bytes());
        bytes[CHECKSUM..TYPE_ID].copy_from_slice(&self.checksum.to_le_bytes());
        bytes[TYPE_ID..FLAGS].copy_from_slice(&self.type_id.to_le_bytes());
        bytes[FLAGS] = self.flags;
        bytes[RESERVED] = self._reserved;
        bytes[BATCH_REMAINING..EPOCH].copy_from_slice(&self.batch_remaining.to_le_bytes());
        bytes[EPOCH..PAD].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[PAD..HEADER_CHECKSUM].copy_from_slice(&self._pad);
        bytes[HEADER_CHECKSUM..].copy_from_slice(&self.header_checksum.to_le_bytes());
        bytes
    }
}

/// The little-endian `u32` at `offset`; the caller keeps `offset + 4` inside of `bytes`.
#[inline]
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[offset..offset + 4]);
    u32::from_le_bytes(word)
}

/// The little-endian `u64` at `offset`; the caller keeps `offset + 8` inside of `bytes`.
#[inline]
pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[offset..offset + 8]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn header_size_and_alignment() {
        assert_eq!(size_of::<MessageHeader>(), 64);
        assert_eq!(align_of::<MessageHeader>(), 64);
    }

    #[test]
    fn fields_lie_where_the_format_says() {
        let mut header = MessageHeader::new(
            0x1112_1314,
            0x0001_0203_0405_0607,
            0x2122_2324_2526_2728,
            0x3132,
            0x4142_4344,
        );
        header.flags = VALID;
        header.batch_remaining = 0x5152_5354;
        header.epoch = 0x6162_6364;
        let bytes = header.to_bytes();
        assert_eq!(bytes[0..8], 0x0001_0203_0405_0607u64.to_le_bytes());
        assert_eq!(bytes[8..16], 0x2122_2324_2526_2728u64.to_le_bytes());
        assert_eq!(bytes[16..20], 0x1112_1314u32.to_le_bytes());
        assert_eq!(bytes[20..24], 0x4142_4344u32.to_le_bytes());
        assert_eq!(bytes[24..26], 0x3132u16.to_le_bytes());
        assert_eq!(bytes[26..28], [1, 0]);
        assert_eq!(bytes[28..32], 0x5152_5354u32.to_le_bytes());
        assert_eq!(bytes[32..36], 0x6162_6364u32.to_le_bytes());
        assert_eq!(bytes[36..60], [0; 24]);
        assert_eq!(u32_at(&bytes, 24), header.commit_word());
    }

    #[test]
    fn the_checksum_does_not_depend_on_valid() {
        let mut header = MessageHeader::new(5, 1, 2, 3, 4);
        let before = header.to_bytes();
        header.flags = VALID;
        let after = header.to_bytes();
        assert_eq!(before[60..], after[60..]);
        assert_eq!(u32_at(&before, 60), header.header_checksum);
    }

    #[test]
    fn refusals_name_their_reason() {
        let sealed = |change: fn(&mut MessageHeader)| {
            let mut header = MessageHeader::new(5, 1, 2, 3, 4);
            change(&mut header);
            MessageHeader::from_bytes(&header.to_bytes()).map_err(|e| e.kind())
        };
        assert!(sealed(|_| ()).is_ok());
        assert_eq!(sealed(|h| h.flags = 4), Err(ErrorKind::UnsupportedFeature));
        assert_eq!(sealed(|h| h._reserved = 1), Err(ErrorKind::UnsupportedFeature));
        assert_eq!(sealed(|h| h._pad[23] = 1), Err(ErrorKind::UnsupportedFeature));
        assert_eq!(sealed(|h| h.length = (1 << 30) + 1), Err(ErrorKind::OutOfBounds));
        assert_eq!(sealed(|h| h.seq = MAX_SEQ + 2), Err(ErrorKind::OutOfBounds));
    }

    proptest! {
        #[test]
        fn every_header_survives_its_bytes(
            length in 0u32..=1 << 30, seq in 0u64..=MAX_SEQ, timestamp_ns: u64, type_id: u16,
            checksum: u32, batch_remaining: u32, epoch: u32, flags in 0u8..4,
        ) {
            let mut header = MessageHeader::new(length, seq, timestamp_ns, type_id, checksum);
            (header.flags, header.batch_remaining, header.epoch) = (flags, batch_remaining, epoch);
            let mut bytes = header.to_bytes();
            let read = MessageHeader::from_bytes(&bytes)?;
            header.header_checksum = read.header_checksum;
            prop_assert_eq!(read, header);
            bytes[FLAGS] &= !VALID;
            prop_assert_eq!(crc32(&bytes[..HEADER_CHECKSUM]), header.header_checksum);
        }

        #[test]
        fn every_flipped_bit_but_valid_is_found(seq in 0u64..=MAX_SEQ, length in 0u32..=1 << 30, bit in 0usize..512) {
            let mut bytes = MessageHeader::new(length, seq, 9, 1, 2).to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let read = MessageHeader::from_bytes(&bytes);
            if bit == FLAGS * 8 { prop_assert!(read?.is_valid()) } else { prop_assert!(read.is_err()) }
        }

        #[test]
        fn noise_is_refused_or_read_without_a_panic(bytes: [u8; 32], more: [u8; 32]) {
            let mut noise = [0; 64];
            noise[..32].copy_from_slice(&bytes);
            noise[32..].copy_from_slice(&more);
            prop_assert!(MessageHeader::from_bytes(&noise).is_err());
        }
    }
}
