//! A flush, off the JavaScript thread.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chronicle_core::Durability;
use napi::{Env, Task};

use crate::failure::Failure;
use crate::number;
use crate::raw::{Raw, double};

/// Flushes on a thread of the libuv pool; callers that come together share one flush in the core.
pub struct SyncTask {
    durability: Durability,
}

/// What crosses back: only plain data, because the thread of the pool must not touch JavaScript.
pub enum Outcome {
    Durable(u64),
    Failed(chronicle_core::Error),
    Panicked(String),
}

impl SyncTask {
    pub fn new(durability: Durability) -> Self {
        Self { durability }
    }
}

impl Task for SyncTask {
    type Output = Outcome;
    type JsValue = Raw;

    fn compute(&mut self) -> napi::Result<Outcome> {
        Ok(match catch_unwind(AssertUnwindSafe(|| self.durability.sync())) {
            Ok(Ok(seq)) => Outcome::Durable(seq),
            Ok(Err(error)) => Outcome::Failed(error),
            Err(payload) => match Failure::panicked(payload.as_ref()) {
                Failure::Panicked(text) => Outcome::Panicked(text),
                _ => Outcome::Panicked(String::new()),
            },
        })
    }

    fn resolve(&mut self, env: Env, outcome: Outcome) -> napi::Result<Raw> {
        Ok(match outcome {
            Outcome::Durable(seq) => double(env.raw(), number::to_js(seq)),
            Outcome::Failed(error) => Raw(Failure::Core(error).to_js(env.raw())),
            Outcome::Panicked(text) => Raw(Failure::Panicked(text).to_js(env.raw())),
        })
    }
}
