//! `verify` and `repair`: reports about a whole directory.

use std::path::Path;

use chronicle_core::{Problem, RepairReport, Severity, VerifyReport};
use napi::bindgen_prelude::AsyncTask;
use napi_derive::napi;

use crate::background::Background;
use crate::number::to_js;
use crate::progress::NativeProgress;
use crate::stats::{NativeRecovery, texts};

/// What a chronicle holds, and what is wrong with it.
#[napi(object, object_from_js = false)]
pub struct NativeVerifyReport {
    pub sound: bool,
    pub segments: f64,
    pub messages: f64,
    pub payload_bytes: f64,
    pub first_seq: f64,
    pub next_seq: f64,
    pub readers: f64,
    pub problems: Vec<NativeProblem>,
}

/// Something that is wrong.
#[napi(object, object_from_js = false)]
pub struct NativeProblem {
    #[napi(ts_type = "'data' | 'unfinished' | 'derived'")]
    pub severity: &'static str,
    pub code: &'static str,
    pub message: String,
    pub path: Option<String>,
    pub offset: Option<f64>,
    pub seq: Option<f64>,
}

/// What a repair did, and what was lost.
#[napi(object, object_from_js = false)]
pub struct NativeRepairReport {
    pub rebuilt_control: bool,
    pub lost_from: Option<f64>,
    pub lost_to: Option<f64>,
    pub quarantined: Vec<String>,
    pub lost_readers: Vec<String>,
    pub rebuilt_indexes: f64,
    pub recovery: NativeRecovery,
}

/// Reads everything in a directory and changes nothing. Settles with the report, or with the error to throw.
#[napi(ts_return_type = "Promise<NativeVerifyReport | Error>")]
pub fn verify(dir: String, progress: &NativeProgress) -> AsyncTask<Background<NativeVerifyReport>> {
    let watch = progress.share();
    let job =
        move || chronicle_core::verify_watched(Path::new(&dir), &watch).map(NativeVerifyReport::from_core);
    AsyncTask::new(Background::new(job))
}

/// Makes a damaged chronicle usable again. Settles with the report, or with the error to throw.
#[napi(ts_return_type = "Promise<NativeRepairReport | Error>")]
pub fn repair(dir: String) -> AsyncTask<Background<NativeRepairReport>> {
    let job = move || chronicle_core::repair(Path::new(&dir)).map(NativeRepairReport::from_core);
    AsyncTask::new(Background::new(job))
}

impl NativeVerifyReport {
    fn from_core(report: VerifyReport) -> Self {
        Self {
            sound: report.is_sound(),
            segments: to_js(report.segments),
            messages: to_js(report.messages),
            payload_bytes: to_js(report.payload_bytes),
            first_seq: to_js(report.first_seq),
            next_seq: to_js(report.next_seq),
            readers: to_js(report.readers),
            problems: report.problems.iter().map(NativeProblem::from_core).collect(),
        }
    }
}

impl NativeProblem {
    fn from_core(problem: &Problem) -> Self {
        let error = &problem.error;
        Self {
            severity: match problem.severity {
                Severity::Data => "data",
                Severity::Unfinished => "unfinished",
                Severity::Derived => "derived",
            },
            code: error.kind().code(),
            message: error.to_string(),
            path: error.path().map(|path| path.to_string_lossy().into_owned()),
            offset: error.offset().map(to_js),
            seq: error.seq().map(to_js),
        }
    }
}

impl NativeRepairReport {
    fn from_core(report: RepairReport) -> Self {
        Self {
            rebuilt_control: report.rebuilt_control,
            lost_from: report.lost_from.map(to_js),
            lost_to: report.lost_to.map(to_js),
            quarantined: texts(&report.quarantined),
            lost_readers: report.lost_readers,
            rebuilt_indexes: to_js(report.rebuilt_indexes),
            recovery: NativeRecovery::from_core(report.recovery),
        }
    }
}
