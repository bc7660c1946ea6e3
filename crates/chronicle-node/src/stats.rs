//! What `stats()` returns.

use chronicle_core::{RecoveryReport, Stats};
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
    pub recovery: Option<NativeRecovery>,
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
            recovery: stats.recovery.map(NativeRecovery::from_core),
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
}

impl NativeRecovery {
    fn from_core(report: RecoveryReport) -> Self {
        let quarantined = report.quarantined.iter().map(|path| path.to_string_lossy().into_owned());
        Self {
            same_boot: report.same_boot,
            checked_messages: to_js(report.checked_messages),
            dropped_batch_messages: to_js(report.dropped_batch_messages),
            cut_at: report.cut_at.map(to_js),
            quarantined: quarantined.collect(),
            finished_roll: report.finished_roll,
        }
    }
}
