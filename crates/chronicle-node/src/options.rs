//! What `NativeChronicle.open` takes. The facade has checked each value; here they only change their type.

use std::time::Duration;

use chronicle_core::{Options, SyncMode};
use napi_derive::napi;

use crate::failure::Failure;
use crate::number;

/// Every option of `Chronicle.open`, with its default filled in by the facade.
#[napi(object, object_to_js = false)]
pub struct NativeOptions {
    pub create: bool,
    pub read_only: bool,
    /// Absent: what the chronicle was created with.
    pub segment_bytes: Option<i64>,
    pub mode: u32,
    /// Milliseconds between flushes; 0 flushes in each append, and absent never.
    pub sync_every_ms: Option<f64>,
    pub allow_network_fs: bool,
}

impl NativeOptions {
    pub fn into_core(self) -> Result<Options, Failure> {
        let segment_bytes =
            self.segment_bytes.map(|bytes| number::from_js("segmentBytes", bytes)).transpose()?;
        Ok(Options {
            create: self.create,
            read_only: self.read_only,
            segment_bytes,
            mode: self.mode,
            sync: sync_mode(self.sync_every_ms)?,
            allow_network_fs: self.allow_network_fs,
            ..Options::default()
        })
    }
}

fn sync_mode(every_ms: Option<f64>) -> Result<SyncMode, Failure> {
    match every_ms {
        None => Ok(SyncMode::None),
        Some(0.0) => Ok(SyncMode::Always),
        Some(ms) => Ok(SyncMode::Every(duration("sync.everyMs", ms)?)),
    }
}

/// A number of milliseconds.
pub fn duration(name: &str, ms: f64) -> Result<Duration, Failure> {
    Duration::try_from_secs_f64(ms / 1000.0)
        .map_err(|_| Failure::argument(format!("{name} must be a duration in milliseconds, got {ms}")))
}
