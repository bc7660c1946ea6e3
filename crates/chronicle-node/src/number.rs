//! Numbers on their way across: JavaScript has doubles, the core has `u64`.

use chronicle_core::Error;
use napi::sys;

use crate::failure::Failure;

/// A sequence number, offset or size as JavaScript sees it; all of them are below 2^53.
#[expect(clippy::cast_precision_loss, reason = "sequence numbers, offsets and sizes are below 2^53")]
#[inline]
pub fn to_js(value: u64) -> f64 {
    value as f64
}

/// A number of JavaScript that has to be a count, an offset or a sequence number.
pub fn from_js(name: &str, value: i64) -> Result<u64, Failure> {
    u64::try_from(value).map_err(|_| Failure::argument(format!("{name} must not be negative, got {value}")))
}

/// Like [`from_js`], for what indexes memory.
pub fn index_from_js(name: &str, value: i64) -> Result<usize, Failure> {
    usize::try_from(value).map_err(|_| Failure::argument(format!("{name} must not be negative, got {value}")))
}

/// The number in a slot of the control block, where -1 stands for "none".
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be a whole number in range"
)]
#[inline]
pub fn from_slot(value: f64) -> Option<u64> {
    (0.0..=MAX_SAFE).contains(&value).then_some(value as u64)
}

/// An argument of a hot call that has to be a sequence number.
#[expect(unsafe_code, reason = "calls N-API")]
pub fn seq(env: sys::napi_env, value: sys::napi_value, name: &str) -> Result<u64, Failure> {
    let mut number = 0.0;
    // SAFETY: `value` is an argument of the running call.
    let status = unsafe { sys::napi_get_value_double(env, value, &raw mut number) };
    let whole = (status == sys::Status::napi_ok).then(|| from_slot(number)).flatten();
    whole.ok_or_else(|| Failure::argument(format!("{name} must be a whole number from 0 to 2^53 - 1")))
}

/// An argument of a hot call that has to be an unsigned 32-bit number.
pub fn unsigned(env: sys::napi_env, value: sys::napi_value, name: &str) -> Result<u32, Failure> {
    u32::try_from(seq(env, value, name)?)
        .map_err(|_| Failure::argument(format!("{name} must be an unsigned 32-bit number")))
}

const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}
