//! `NativeProgress`: looks at work that runs on another thread, and calls it off.

use std::sync::Arc;

use chronicle_core::Progress;
use napi_derive::napi;

use crate::number::to_js;

/// How far the work is.
#[napi(object, object_from_js = false)]
pub struct NativeProgressReport {
    pub segments: f64,
    pub total_segments: f64,
    pub bytes: f64,
    pub total_bytes: f64,
}

/// The counters of one piece of work.
#[napi]
#[derive(Default)]
pub struct NativeProgress {
    progress: Arc<Progress>,
}

#[napi]
impl NativeProgress {
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    #[napi(catch_unwind)]
    pub fn look(&self) -> NativeProgressReport {
        NativeProgressReport {
            segments: to_js(self.progress.segments()),
            total_segments: to_js(self.progress.total_segments()),
            bytes: to_js(self.progress.bytes()),
            total_bytes: to_js(self.progress.total_bytes()),
        }
    }

    /// Asks the work to end soon.
    #[napi(catch_unwind)]
    pub fn stop(&self) {
        self.progress.stop();
    }
}

impl NativeProgress {
    pub fn share(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }
}
