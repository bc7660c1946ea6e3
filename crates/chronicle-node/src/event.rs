//! What native threads tell JavaScript of rolls, prunes and flushes.

use chronicle_core::{Chronicle, Event};
use napi::Status;
use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

use crate::failure::Failure;
use crate::number::to_js;

/// Events that wait for the JavaScript thread. Those that find no room are not told: it must not hold up a writer, nor fill memory.
const WAITING: usize = 1024;

/// Weak, so that it keeps no process alive.
type Tell = ThreadsafeFunction<NativeEvent, (), NativeEvent, Status, false, true, WAITING>;

/// Something that happened; which fields there are depends on the kind.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct NativeEvent {
    #[napi(ts_type = "'roll' | 'prune' | 'sync'")]
    pub kind: &'static str,
    pub base_seq: Option<f64>,
    pub bytes: Option<f64>,
    pub segments: Option<f64>,
    pub first_seq: Option<f64>,
    pub durable_seq: Option<f64>,
    pub ms: Option<f64>,
    pub failure: Option<String>,
}

impl NativeEvent {
    fn from_core(event: &Event) -> Option<Self> {
        let none = Self::default();
        Some(match event {
            Event::Rolled { base_seq, bytes } => {
                Self { kind: "roll", base_seq: Some(to_js(*base_seq)), bytes: Some(to_js(*bytes)), ..none }
            }
            Event::Pruned(report) => Self {
                kind: "prune",
                segments: Some(to_js(report.segments)),
                bytes: Some(to_js(report.bytes)),
                first_seq: Some(to_js(report.first_seq)),
                ..none
            },
            Event::PruneFailed(error) => Self { kind: "prune", failure: Some(error.to_string()), ..none },
            Event::Synced { durable_seq, nanos } => Self {
                kind: "sync",
                durable_seq: Some(to_js(*durable_seq)),
                ms: Some(to_js(*nanos) / 1e6),
                ..none
            },
            Event::SyncFailed(error) => Self { kind: "sync", failure: Some(error.to_string()), ..none },
            _ => return None,
        })
    }
}

/// Calls `tell` on the JavaScript thread with each event of the chronicle's opening.
pub fn observe(chronicle: &Chronicle, tell: &Function<'_, NativeEvent, ()>) -> Result<(), Failure> {
    let tell: Tell = tell
        .build_threadsafe_function::<NativeEvent>()
        .weak::<true>()
        .callee_handled::<false>()
        .max_queue_size::<WAITING>()
        .build()?;
    chronicle.observe(move |event| {
        if let Some(event) = NativeEvent::from_core(&event) {
            // Full, or closing with its environment: nobody is there to hear it.
            let _ = tell.call(event, ThreadsafeFunctionCallMode::NonBlocking);
        }
    });
    Ok(())
}
