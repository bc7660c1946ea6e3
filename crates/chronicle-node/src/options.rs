//! What `NativeChronicle.open` takes. The facade has checked each value; here they only change their type.

use std::time::Duration;

use chronicle_core::{Options, Retention, SyncMode};
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
    /// What a prune after each roll keeps; absent: no such prune.
    pub retention: Option<NativeRetention>,
}

/// What a prune keeps. What is absent is no limit.
#[napi(object, object_to_js = false)]
#[expect(clippy::struct_field_names, reason = "the names of the public options")]
pub struct NativeRetention {
    pub keep_bytes: Option<i64>,
    pub keep_ms: Option<f64>,
    pub keep_messages: Option<i64>,
    pub keep_unread: bool,
}

impl NativeRetention {
    pub fn into_core(self) -> Result<Retention, Failure> {
        let keep_ns = self.keep_ms.map(|ms| duration("keepMs", ms)).transpose()?;
        Ok(Retention {
            keep_bytes: self.keep_bytes.map(|bytes| number::from_js("keepBytes", bytes)).transpose()?,
            keep_ns: keep_ns.map(|keep| u64::try_from(keep.as_nanos()).unwrap_or(u64::MAX)),
            keep_messages: self
                .keep_messages
                .map(|count| number::from_js("keepMessages", count))
                .transpose()?,
            keep_unread: self.keep_unread,
        })
    }
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
            retention: self.retention.map(NativeRetention::into_core).transpose()?,
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
