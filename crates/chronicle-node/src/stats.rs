//! What `stats()` returns.

use std::path::PathBuf;

use chronicle_core::{ReaderInfo, RecoveryReport, Stats};
use napi_derive::napi;

use crate::number::to_js;

/// A look at a chronicle.
#[napi(object, object_from_js = false)]
pub struct NativeStats {
    pub first_seq: f64,
    pub next_seq: f64,
    pub durable_seq: f64,
    pub segments: f64,
    pub bytes: f64,
    pub segment_bytes: f64,
    pub epoch: u32,
    pub writer_pid: Option<u32>,
    pub copy_on_write_fs: Option<String>,
    pub network_fs: Option<String>,
    pub recovered: bool,
    pub flush_failed: bool,
    pub readers: Vec<NativeReaderInfo>,
    pub recovery: Option<NativeRecovery>,
    pub prune_failure: Option<String>,
}

impl NativeStats {
    pub fn from_core(stats: Stats) -> Self {
        Self {
            first_seq: to_js(stats.first_seq),
            next_seq: to_js(stats.next_seq),
            durable_seq: to_js(stats.durable_seq),
            segments: to_js(stats.segments),
            bytes: to_js(stats.bytes),
            segment_bytes: to_js(stats.segment_bytes),
            epoch: stats.epoch,
            writer_pid: stats.writer_pid,
            copy_on_write_fs: stats.copy_on_write_fs.map(str::to_owned),
            network_fs: stats.network_fs.map(str::to_owned),
            recovered: stats.recovered,
            flush_failed: stats.flush_failed,
            readers: stats.readers.into_iter().map(NativeReaderInfo::from_core).collect(),
            recovery: stats.recovery.map(NativeRecovery::from_core),
            prune_failure: stats.prune_failure.map(|error| error.to_string()),
        }
    }
}

/// What opening for writing found and did.
#[napi(object, object_from_js = false)]
pub struct NativeRecovery {
    pub same_boot: bool,
    pub checked_messages: f64,
    pub dropped_batch_messages: f64,
    pub cut_at: Option<f64>,
    pub quarantined: Vec<String>,
    pub finished_roll: bool,
    pub moved_readers: Vec<String>,
}

impl NativeRecovery {
    pub fn from_core(report: RecoveryReport) -> Self {
        Self {
            same_boot: report.same_boot,
            checked_messages: to_js(report.checked_messages),
            dropped_batch_messages: to_js(report.dropped_batch_messages),
            cut_at: report.cut_at.map(to_js),
            quarantined: texts(&report.quarantined),
            finished_roll: report.finished_roll,
            moved_readers: report.moved_readers,
        }
    }
}

/// A named reader as others see it.
#[napi(object, object_from_js = false)]
pub struct NativeReaderInfo {
    pub name: String,
    pub next_seq: f64,
    pub lag: f64,
    pub pid: Option<u32>,
    pub failure: Option<String>,
}

impl NativeReaderInfo {
    pub fn from_core(info: ReaderInfo) -> Self {
        Self {
            name: info.name,
            next_seq: to_js(info.next_seq),
            lag: to_js(info.lag),
            pid: info.pid,
            failure: info.failure.map(|error| error.to_string()),
        }
    }
}

/// Paths as JavaScript has them.
pub fn texts(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.to_string_lossy().into_owned()).collect()
}
