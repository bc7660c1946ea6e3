//! How a chronicle is opened.

use std::time::Duration;

use crate::control::check_segment_bytes;
use crate::error::{Error, Result};
use crate::retention::Retention;

/// When messages are flushed to the disk without being asked to.
///
/// In every mode a message survives the end of the process from the moment [`append`](crate::Writer::append) returns, whatever
/// ends it. The modes differ in what a power cut may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMode {
    /// Never unasked. A power cut may take all since the last [`sync`](crate::Durability::sync).
    None,
    /// By a helper thread, this long after the last flush. A power cut may take about that much time's messages.
    Every(Duration),
    /// Before `append` returns. A power cut takes nothing that was acknowledged.
    Always,
}

/// Options of [`Chronicle::open`](crate::Chronicle::open).
#[derive(Debug, Clone)]
pub struct Options {
    /// Create the chronicle when there is none. Default: true.
    pub create: bool,
    /// Write, create and lock nothing at all. Default: false.
    pub read_only: bool,
    /// The length that segments double up to, a multiple of 4 KiB from 64 KiB to 4 GiB. Default: what the chronicle was created
    /// with, or 64 MiB.
    pub segment_bytes: Option<u64>,
    /// The permission bits of created files. The directory gets search permission wherever this lets read. Default: `0o600`.
    pub mode: u32,
    /// When to flush unasked. Default: every second.
    pub sync: SyncMode,
    /// What a [prune](crate::Chronicle::prune) after each roll keeps. Default: no such prune.
    pub retention: Option<Retention>,
    /// Open on a network file system although mapped memory is not coherent there. Default: false.
    pub allow_network_fs: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            create: true,
            read_only: false,
            segment_bytes: None,
            mode: 0o600,
            sync: SyncMode::Every(Duration::from_secs(1)),
            retention: None,
            allow_network_fs: false,
        }
    }
}

impl Options {
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(bytes) = self.segment_bytes {
            check_segment_bytes(bytes)?;
        }
        if self.mode & !0o777 != 0 || self.mode & 0o600 != 0o600 {
            return Err(Error::invalid(format!(
                "mode must be permission bits with 0o600 among them, got {:#o}",
                self.mode
            )));
        }
        if matches!(self.sync, SyncMode::Every(pause) if pause.is_zero()) {
            return Err(Error::invalid("sync every zero milliseconds is SyncMode::Always"));
        }
        Ok(())
    }
}
