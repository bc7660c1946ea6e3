//! Sizes, offsets and limits of the format that more than one file needs. `docs/FORMAT.md` explains each.

/// Bytes of a message header, and the alignment of every record.
pub const HEADER_LEN: usize = 64;

/// Bytes of the header at the start of each segment; the first record follows it.
pub const SEGMENT_HEADER_LEN: usize = 4096;

/// Bytes of the `control` file.
pub const CONTROL_LEN: usize = 4096;

/// The format version that this crate writes, and the only one that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// Segments are a whole number of these; it divides the page size of every supported system.
pub const SEGMENT_ALIGN: u64 = 4096;

/// Bytes of the first segment. Each next one is twice as long, up to the chronicle's `segment_bytes`.
pub const FIRST_SEGMENT_BYTES: u64 = 1 << 20;

/// The default of `segment_bytes`: 64 MiB.
pub const DEFAULT_SEGMENT_BYTES: u64 = 64 << 20;

/// The smallest `segment_bytes` that is accepted: 64 KiB.
pub const MIN_SEGMENT_BYTES: u64 = 64 << 10;

/// The largest `segment_bytes` that is accepted: 4 GiB.
pub const MAX_SEGMENT_BYTES: u64 = 4 << 30;

/// The longest payload: 1 GiB.
pub const MAX_PAYLOAD_LEN: usize = 1 << 30;

/// The most bytes that the records of one batch may take: 2 GiB.
pub const MAX_BATCH_BYTES: u64 = 2 << 30;

/// The last sequence number, 2^53 - 1, so that every one is a safe integer in JavaScript.
pub const MAX_SEQ: u64 = (1 << 53) - 1;

/// The longest segment file: the header, a batch of the largest size, and END.
pub const MAX_SEGMENT_FILE_LEN: u64 = max(
    MAX_SEGMENT_BYTES,
    align_up(SEGMENT_HEADER_LEN as u64 + MAX_BATCH_BYTES + HEADER_LEN as u64, SEGMENT_ALIGN),
);

const fn max(a: u64, b: u64) -> u64 {
    if a > b { a } else { b }
}

/// The smallest multiple of `align`, a power of two, that is not below `value`.
///
/// `value + align` must not overflow: every caller passes a value below [`MAX_SEGMENT_FILE_LEN`].
#[must_use]
pub const fn align_up(value: u64, align: u64) -> u64 {
    (value + (align - 1)) & !(align - 1)
}

/// The bytes that a record with a payload of `payload_len` bytes takes in a segment.
#[must_use]
pub const fn record_len(payload_len: u32) -> u64 {
    align_up(HEADER_LEN as u64 + payload_len as u64, HEADER_LEN as u64)
}

const _: () = assert!((SEGMENT_HEADER_LEN as u64).is_multiple_of(SEGMENT_ALIGN));
const _: () = assert!(record_len(0) == 64 && record_len(1) == 128 && record_len(64) == 128);
const _: () = assert!(MAX_BATCH_BYTES >= MAX_PAYLOAD_LEN as u64 + 2 * HEADER_LEN as u64);
