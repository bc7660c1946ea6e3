//! The first 40 bytes that `control` and every segment share: magic, version, feature words, chronicle id.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::header::u32_at;
use crate::layout::FORMAT_VERSION;

const MAGIC: usize = 0;
const VERSION: usize = MAGIC + 8;
const INCOMPATIBLE: usize = VERSION + 4;
const READ_ONLY_COMPATIBLE: usize = INCOMPATIBLE + 4;
const COMPATIBLE: usize = READ_ONLY_COMPATIBLE + 4;
const CHRONICLE_ID: usize = COMPATIBLE + 4;
/// Where the fields of the file's own kind begin.
pub(crate) const PREAMBLE_LEN: usize = CHRONICLE_ID + 16;

/// Feature bits of the `incompatible` word that this version knows: none yet.
const KNOWN_INCOMPATIBLE: u32 = 0;
/// Feature bits of the `read_only_compatible` word that this version knows: none yet.
const KNOWN_READ_ONLY_COMPATIBLE: u32 = 0;

/// Sixteen random bytes that every file of one chronicle carries.
pub(crate) type ChronicleId = [u8; 16];

/// Writes the preamble of a file of this version into the first bytes of `bytes`.
pub(crate) fn write(bytes: &mut [u8], magic: [u8; 8], id: &ChronicleId) {
    bytes[..PREAMBLE_LEN].fill(0);
    bytes[MAGIC..VERSION].copy_from_slice(&magic);
    bytes[VERSION..INCOMPATIBLE].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes[CHRONICLE_ID..PREAMBLE_LEN].copy_from_slice(id);
}

/// Checks magic and version: what must hold before any other byte has a meaning.
pub(crate) fn check_kind(bytes: &[u8], magic: [u8; 8], path: &Path) -> Result<()> {
    if bytes[MAGIC..VERSION] != magic {
        let message = format!("the file does not start with the magic bytes {}", magic.escape_ascii());
        return Err(Error::new(ErrorKind::BadMagic, message).at_path(path).at_offset(MAGIC as u64));
    }
    let version = u32_at(bytes, VERSION);
    if version != FORMAT_VERSION {
        let message =
            format!("format version {version} is unknown; this build reads version {FORMAT_VERSION}");
        return Err(Error::new(ErrorKind::UnsupportedVersion, message)
            .at_path(path)
            .at_offset(VERSION as u64));
    }
    Ok(())
}

/// Checks the feature words, once the checksum over them has been checked.
pub(crate) fn check_features(bytes: &[u8], write: bool, path: &Path) -> Result<()> {
    let unknown = u32_at(bytes, INCOMPATIBLE) & !KNOWN_INCOMPATIBLE;
    if unknown != 0 {
        let message = format!("unknown incompatible features {unknown:#010x}");
        return Err(Error::new(ErrorKind::UnsupportedFeature, message)
            .at_path(path)
            .at_offset(INCOMPATIBLE as u64));
    }
    let unknown = u32_at(bytes, READ_ONLY_COMPATIBLE) & !KNOWN_READ_ONLY_COMPATIBLE;
    if write && unknown != 0 {
        let message = format!("features {unknown:#010x} are unknown: this build can only read the file");
        return Err(Error::new(ErrorKind::ReadOnly, message)
            .at_path(path)
            .at_offset(READ_ONLY_COMPATIBLE as u64));
    }
    Ok(())
}

pub(crate) fn id(bytes: &[u8]) -> ChronicleId {
    let mut id = [0; 16];
    id.copy_from_slice(&bytes[CHRONICLE_ID..PREAMBLE_LEN]);
    id
}
