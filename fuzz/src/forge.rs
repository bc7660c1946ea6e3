//! Files of a chronicle made by hand, from `docs/FORMAT.md` and not by the core: with fixed times, so that an input always means the same.

use std::fs;
use std::path::Path;

use arbitrary::Arbitrary;

pub const ID: [u8; 16] = *b"sixteen random b";
pub const SEGMENT: u64 = 16 << 10;
/// The opening that wrote all records.
const EPOCH: u32 = 2;
const VALID: u8 = 1;
const END: u8 = 2;

pub fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

pub fn put64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

pub fn get32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub fn get64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// Makes the checksum at `at` that of the bytes in `of`, where the file is long enough.
pub fn seal(bytes: &mut [u8], of: std::ops::Range<usize>, at: usize) {
    if bytes.len() >= at + 4 {
        let checksum = crc32fast::hash(&bytes[of]);
        put32(bytes, at, checksum);
    }
}

fn preamble(len: usize, magic: &[u8; 8]) -> Vec<u8> {
    let mut bytes = vec![0; len];
    bytes[..8].copy_from_slice(magic);
    put32(&mut bytes, 8, 1);
    bytes[24..40].copy_from_slice(&ID);
    bytes
}

/// The boot id of this machine, as the format keeps it.
fn boot_id() -> [u8; 16] {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16).unwrap_or(0).to_le_bytes()
}

/// A control file of a log that ends at `head` and is durable up to `durable`.
pub fn control(head: u64, durable: u64, this_boot: bool) -> Vec<u8> {
    let mut bytes = preamble(4096, b"CHRONCTL");
    put64(&mut bytes, 40, 1000);
    put64(&mut bytes, 48, 64 << 10);
    put64(&mut bytes, 128, head);
    put64(&mut bytes, 192, durable);
    put32(&mut bytes, 260, 3);
    bytes[320..336].copy_from_slice(&if this_boot { boot_id() } else { [0xEE; 16] });
    put64(&mut bytes, 384, durable);
    seal_control(&mut bytes);
    bytes
}

pub fn seal_control(bytes: &mut [u8]) {
    seal(bytes, 0..60, 60);
    seal(bytes, 320..336, 336);
    for slot in [384, 448, 512, 576] {
        seal(bytes, slot..slot + 8, slot + 8);
    }
}

/// One record of a segment: the size and type of its payload, whose bytes follow from its seq.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    pub length: u32,
    pub batch_remaining: u32,
}

pub fn payload(seq: u64, length: u32) -> Vec<u8> {
    (0..u64::from(length)).map(|at| (seq.wrapping_mul(31).wrapping_add(at * 7) >> 3) as u8 | 1).collect()
}

pub fn time_of(seq: u64) -> u64 {
    2000 + seq / 3 * 10
}

fn record(seq: u64, time: u64, payload: &[u8], batch_remaining: u32, flags: u8) -> Vec<u8> {
    let mut bytes = vec![0; (64 + payload.len()).next_multiple_of(64)];
    put64(&mut bytes, 0, seq);
    put64(&mut bytes, 8, time);
    put32(&mut bytes, 16, payload.len() as u32);
    put32(&mut bytes, 20, if flags & END == 0 { crc32fast::hash(payload) } else { 0 });
    bytes[26] = flags | VALID;
    put32(&mut bytes, 28, batch_remaining);
    put32(&mut bytes, 32, EPOCH);
    bytes[64..64 + payload.len()].copy_from_slice(payload);
    seal_record(&mut bytes);
    bytes
}

fn seal_record(bytes: &mut [u8]) {
    let flags = bytes[26];
    bytes[26] &= !VALID;
    seal(bytes, 0..60, 60);
    bytes[26] = flags;
}

/// A segment that starts at `base` and ends with END where `ends` says so.
pub fn segment(base: u64, items: &[Item], size: u64, ends: bool) -> Vec<u8> {
    let mut bytes = preamble(size as usize, b"CHRONSEG");
    put64(&mut bytes, 40, base);
    put64(&mut bytes, 48, size);
    put64(&mut bytes, 56, 1000);
    put64(&mut bytes, 64, if base == 0 { 0 } else { time_of(base - 1) });
    put32(&mut bytes, 72, if base == 0 { 1 } else { EPOCH });
    seal(&mut bytes, 0..4092, 4092);
    let (mut at, mut seq) = (4096, base);
    for item in items {
        let one = record(seq, time_of(seq), &payload(seq, item.length), item.batch_remaining, 0);
        bytes[at..at + one.len()].copy_from_slice(&one);
        (at, seq) = (at + one.len(), seq + 1);
    }
    if ends {
        let end = record(seq, time_of(seq - 1), &[], 0, END);
        bytes[at..at + 64].copy_from_slice(&end);
    }
    bytes
}

/// Where the records of a segment start, as far as their lengths lead.
pub fn places(bytes: &[u8]) -> Vec<usize> {
    let (mut at, mut places) = (4096, Vec::new());
    while at + 64 <= bytes.len() && get32(bytes, at + 24) != 0 {
        places.push(at);
        at += (64 + get32(bytes, at + 16) as usize).next_multiple_of(64);
    }
    places
}

/// Makes all checksums of a segment right again, those of payloads too.
pub fn seal_segment(bytes: &mut [u8]) {
    seal(bytes, 0..4092, 4092);
    for at in places(bytes) {
        let end = at + 64 + get32(bytes, at + 16) as usize;
        if end <= bytes.len() && bytes[at + 26] & END == 0 {
            seal(bytes, at + 64..end, at + 20);
        }
        seal_record(&mut bytes[at..at + 64]);
    }
}

pub fn index(base: u64, entries: &[(u64, u64, u64)]) -> Vec<u8> {
    let mut bytes = preamble(64 + entries.len() * 32, b"CHRONIDX");
    put64(&mut bytes, 40, base);
    for (&(seq, time, offset), at) in entries.iter().zip((64..).step_by(32)) {
        put64(&mut bytes, at, seq);
        put64(&mut bytes, at + 8, time);
        put64(&mut bytes, at + 16, offset);
    }
    seal_index(&mut bytes);
    bytes
}

pub fn seal_index(bytes: &mut [u8]) {
    seal(bytes, 0..60, 60);
    for at in (64..bytes.len()).step_by(32) {
        seal(bytes, at..at.saturating_add(28).min(bytes.len()), at + 28);
    }
}

/// A position file with these slots: generation and next seq.
pub fn position(slots: &[(u64, u64)]) -> Vec<u8> {
    let mut bytes = preamble(4096, b"CHRONPOS");
    for (&(generation, next_seq), at) in slots.iter().zip([512, 1024, 1536, 2048]) {
        put64(&mut bytes, at, generation);
        put64(&mut bytes, at + 8, next_seq);
    }
    seal_position(&mut bytes);
    bytes
}

pub fn seal_position(bytes: &mut [u8]) {
    seal(bytes, 0..60, 60);
    for at in [512, 1024, 1536, 2048] {
        seal(bytes, at..at + 16, at + 16);
    }
}

/// A change of some bytes of a file.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Edit {
    Byte(u16, u8),
    Word32(u16, u32),
    Word64(u16, u64),
    /// Adds to a word, as a count that is off by a little.
    Add(u16, i8),
    Truncate(u16),
    Extend(u16),
}

impl Edit {
    pub fn apply(self, bytes: &mut Vec<u8>) {
        let place =
            |at: u16, len: usize| (bytes.len() >= len).then(|| usize::from(at) % (bytes.len() - len + 1));
        match self {
            Self::Byte(at, value) => {
                if let Some(at) = place(at, 1) {
                    bytes[at] = value;
                }
            }
            Self::Word32(at, value) => {
                if let Some(at) = place(at, 4) {
                    put32(bytes, at, value);
                }
            }
            Self::Word64(at, value) => {
                if let Some(at) = place(at, 8) {
                    put64(bytes, at, value);
                }
            }
            Self::Add(at, more) => {
                if let Some(at) = place(at, 8) {
                    let word = get64(bytes, at).wrapping_add_signed(more.into());
                    put64(bytes, at, word);
                }
            }
            Self::Truncate(len) => bytes.truncate(len.into()),
            Self::Extend(more) => bytes.resize(bytes.len() + usize::from(more % 8192), 0),
        }
    }
}

/// Writes a log of three segments to `dir`. Returns how many messages it has.
pub fn log(dir: &Path, this_boot: bool) -> u64 {
    fs::create_dir_all(dir.join("readers")).unwrap();
    let (mut base, lengths) = (0, [[5, 700, 0, 64, 3000, 1], [1, 2, 3, 4, 4000, 60], [9, 64, 128, 0, 0, 7]]);
    for (nth, lengths) in lengths.iter().enumerate() {
        let items: Vec<Item> =
            (0..6).map(|at| Item { length: lengths[at], batch_remaining: u32::from(at == 3) }).collect();
        let bytes = segment(base, &items, SEGMENT, nth < 2);
        let at = places(&bytes)[2] as u64;
        fs::write(dir.join(format!("{base:020}.idx")), index(base, &[(base + 2, time_of(base + 2), at)]))
            .unwrap();
        fs::write(dir.join(format!("{base:020}.seg")), bytes).unwrap();
        base += items.len() as u64;
    }
    fs::write(dir.join("control"), control(base, 14, this_boot)).unwrap();
    fs::write(dir.join("readers/billing"), position(&[(1, 0), (2, 5), (3, 9)])).unwrap();
    fs::write(dir.join("writer.lock"), []).unwrap();
    base
}
