//! Message headers, compared with what the format says of them.

use chronicle_core::{ErrorKind, MAX_SEQ, MessageHeader};

use crate::forge::{get32, get64, put32};

/// What the format says of these bytes, in its own words: nothing where they are good.
fn refusal(bytes: &[u8; 64]) -> Option<ErrorKind> {
    let mut covered = *bytes;
    covered[26] &= !1;
    if crc32fast::hash(&covered[..60]) != get32(bytes, 60) {
        return Some(ErrorKind::Corrupt);
    }
    if bytes[26] > 3 || bytes[27] != 0 || bytes[36..60].iter().any(|&byte| byte != 0) {
        return Some(ErrorKind::UnsupportedFeature);
    }
    (get32(bytes, 16) > 1 << 30 || get64(bytes, 0) > MAX_SEQ + 1).then_some(ErrorKind::OutOfBounds)
}

/// The first byte says whether the checksum is made right; 64 bytes are the header, the rest is the payload.
pub fn header(input: &[u8]) {
    let Some((&seal, rest)) = input.split_first() else { return };
    let Some((bytes, payload)) = rest.split_first_chunk::<64>() else { return };
    let mut bytes = *bytes;
    if seal & 1 == 1 {
        let mut covered = bytes;
        covered[26] &= !1;
        put32(&mut bytes, 60, crc32fast::hash(&covered[..60]));
        if seal & 2 == 2 {
            bytes[36..60].fill(0);
        }
    }
    let read = MessageHeader::from_bytes(&bytes);
    assert_eq!(read.as_ref().err().map(|e| e.kind()), refusal(&bytes), "{bytes:?}");
    let Ok(header) = read else { return };
    assert_eq!(header.to_bytes(), bytes);
    assert_eq!((header.is_valid(), header.is_end()), (bytes[26] & 1 != 0, bytes[26] & 2 != 0));
    let whole = payload.len() == header.length as usize && crc32fast::hash(payload) == header.checksum;
    assert_eq!(header.validate_payload(payload).is_ok(), whole);
}
