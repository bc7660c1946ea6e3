//! CRC-32 as every file of the format uses it.

use std::sync::OnceLock;

use crc32fast::Hasher;

/// CRC-32 (ISO-HDLC: polynomial 0x04C11DB7 reflected, initial and final value all ones) of `bytes`.
///
/// The check value of the [catalogue of parametrised CRC algorithms](https://reveng.sourceforge.io/crc-catalogue/all.htm#crc.cat.crc-32-iso-hdlc)
/// holds: `crc32(b"123456789") == 0xCBF4_3926`.
///
/// ```
/// assert_eq!(chronicle_core::crc32(b"hello"), 0x3610_A686);
/// ```
#[inline]
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    // A new hasher asks for the CPU's features each time, which costs as much as the checksum of a header.
    static EMPTY: OnceLock<Hasher> = OnceLock::new();
    let mut hasher = EMPTY.get_or_init(Hasher::new).clone();
    hasher.update(bytes);
    hasher.finalize()
}

/// [`crc32`] of bytes whose checksum is `crc`, and `bytes` behind them.
pub(crate) fn crc32_behind(crc: u32, bytes: &[u8]) -> u32 {
    // As of nothing; and that does not ask for the CPU's features.
    if crc == 0 {
        return crc32(bytes);
    }
    let mut hasher = Hasher::new_with_initial(crc);
    hasher.update(bytes);
    hasher.finalize()
}

/// Bytes of a message header that are ever other than zero, and all that its checksum covers.
const FRONT_LEN: usize = 36;
const COVERED_LEN: usize = 60;

/// [`crc32`] of 60 bytes: these 36, and 24 zeros behind them.
///
/// CRC is linear, so each byte adds what it adds by itself at its place, and all 36 are looked up side by side: half the time of
/// a general routine, which has to go through the bytes in order and through memory.
#[inline]
pub(crate) fn crc32_of_front(words: [u64; 4], last: u32) -> u32 {
    let mut crc = ZEROS;
    for (index, word) in words.into_iter().enumerate() {
        for (place, byte) in word.to_le_bytes().into_iter().enumerate() {
            crc ^= SHARES[index * 8 + place][usize::from(byte)];
        }
    }
    for (place, byte) in last.to_le_bytes().into_iter().enumerate() {
        crc ^= SHARES[words.len() * 8 + place][usize::from(byte)];
    }
    crc
}

/// The checksum of 60 zeros.
const ZEROS: u32 = {
    let (mut crc, mut at) = (u32::MAX, 0);
    while at < COVERED_LEN {
        crc = shift(crc);
        at += 1;
    }
    !crc
};

/// What a byte at a place of the front adds to the checksum.
static SHARES: [[u32; 256]; FRONT_LEN] = {
    let (mut shares, mut byte) = ([[0; 256]; FRONT_LEN], 0);
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let mut crc = byte as u32;
        let mut place = COVERED_LEN;
        while place > 0 {
            place -= 1;
            crc = shift(crc);
            if place < FRONT_LEN {
                shares[place][byte] = crc;
            }
        }
        byte += 1;
    }
    shares
};

/// A CRC register, one byte further on.
pub(crate) const fn shift(mut crc: u32) -> u32 {
    let mut bit = 0;
    while bit < 8 {
        crc = (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 };
        bit += 1;
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::crc32;

    #[test]
    fn crc_matches_known_payload() {
        assert_eq!(crc32(b"hello"), 0x3610_A686);
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }
}
