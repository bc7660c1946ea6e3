//! Work that takes long, off the JavaScript thread.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chronicle_core::Error;
use napi::bindgen_prelude::ToNapiValue;
use napi::{Env, Task};

use crate::failure::Failure;
use crate::raw::Raw;

/// Runs on a thread of the libuv pool. Its promise settles with the result, or with the error to throw.
pub struct Background<T> {
    job: Option<Box<dyn FnOnce() -> Result<T, Error> + Send>>,
}

/// What crosses back: only plain data, because the thread of the pool must not touch JavaScript.
pub enum Outcome<T> {
    Done(T),
    Failed(Error),
    Panicked(String),
}

impl<T> Background<T> {
    pub fn new(job: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Self {
        Self { job: Some(Box::new(job)) }
    }
}

impl<T: ToNapiValue + Send + 'static> Task for Background<T> {
    type Output = Outcome<T>;
    type JsValue = Raw;

    fn compute(&mut self) -> napi::Result<Outcome<T>> {
        let Some(job) = self.job.take() else {
            return Ok(Outcome::Panicked("the job ran before".to_owned()));
        };
        Ok(match catch_unwind(AssertUnwindSafe(job)) {
            Ok(Ok(value)) => Outcome::Done(value),
            Ok(Err(error)) => Outcome::Failed(error),
            Err(payload) => Outcome::Panicked(Failure::panic_text(payload.as_ref())),
        })
    }

    fn resolve(&mut self, env: Env, outcome: Outcome<T>) -> napi::Result<Raw> {
        Ok(match outcome {
            Outcome::Done(value) => Raw::of(env, value)?,
            Outcome::Failed(error) => Raw(Failure::Core(error).to_js(env.raw())),
            Outcome::Panicked(text) => Raw(Failure::Panicked(text).to_js(env.raw())),
        })
    }
}
