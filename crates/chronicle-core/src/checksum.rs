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
