//! A JavaScript value that the binding made by hand.

use std::ffi::CStr;

use napi::bindgen_prelude::{FromNapiValue, ToNapiValue, TypeName};
use napi::{Env, Result, ValueType, sys};

use crate::failure::Failure;

/// A value of the running call, to be returned from it as it is.
pub struct Raw(pub sys::napi_value);

impl Raw {
    /// `value` as napi converts it.
    #[expect(unsafe_code, reason = "calls N-API")]
    pub fn of<T: ToNapiValue>(env: Env, value: T) -> Result<Self> {
        // SAFETY: `env` is the environment of the running call.
        unsafe { T::to_napi_value(env.raw(), value) }.map(Self)
    }
}

impl ToNapiValue for Raw {
    unsafe fn to_napi_value(_env: sys::napi_env, value: Self) -> Result<sys::napi_value> {
        Ok(value.0)
    }
}

impl TypeName for Raw {
    fn type_name() -> &'static str {
        "unknown"
    }

    fn value_type() -> ValueType {
        ValueType::Unknown
    }
}

/// An argument of the running call as it is, to be looked at by hand.
pub struct Given(pub sys::napi_value);

impl FromNapiValue for Given {
    unsafe fn from_napi_value(_env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        Ok(Self(value))
    }
}

/// `undefined`, or null where even that cannot be had because the environment is going away.
#[expect(unsafe_code, reason = "calls N-API")]
pub fn undefined(env: sys::napi_env) -> sys::napi_value {
    let mut value = std::ptr::null_mut();
    // SAFETY: `env` is the environment of the running call, and `value` outlives the call.
    unsafe { sys::napi_get_undefined(env, &raw mut value) };
    value
}

/// `value` as a JavaScript number.
#[expect(unsafe_code, reason = "calls N-API")]
#[inline]
pub fn double(env: sys::napi_env, value: f64) -> Raw {
    let mut number = std::ptr::null_mut();
    // SAFETY: `env` is the environment of the running call, and `number` outlives the call.
    unsafe { sys::napi_create_double(env, value, &raw mut number) };
    Raw(number)
}

/// A plain object with the given properties.
#[expect(unsafe_code, reason = "calls N-API")]
pub fn object(
    env: sys::napi_env,
    properties: &[(&CStr, sys::napi_value)],
) -> std::result::Result<Raw, Failure> {
    let mut object = std::ptr::null_mut();
    // SAFETY: `object` outlives the call.
    let mut status = unsafe { sys::napi_create_object(env, &raw mut object) };
    for (name, value) in properties {
        // SAFETY: `name` ends with a zero byte, and `value` belongs to the running call.
        status |= unsafe { sys::napi_set_named_property(env, object, name.as_ptr(), *value) };
    }
    if status == sys::Status::napi_ok {
        return Ok(Raw(object));
    }
    Err(Failure::argument("the environment is shutting down"))
}
