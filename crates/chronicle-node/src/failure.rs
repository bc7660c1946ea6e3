//! How a failure becomes a JavaScript `Error`.
#![expect(unsafe_code, reason = "calls N-API to give an error its properties")]

use std::any::Any;
use std::ffi::CStr;
use std::ptr;

use chronicle_core::{Error, ErrorKind};
use napi::{Env, Status, sys};

use crate::number;

/// Why a call did not do what it was asked for.
pub enum Failure {
    /// The core refused.
    Core(Error),
    /// The handle was closed, or its call is still running.
    Closed(&'static str),
    /// An argument has the wrong shape.
    Argument(String),
    /// A bug: native code panicked, so the handle is not used any more.
    Panicked(String),
    /// Node.js refused a call; an exception may be pending.
    Node(napi::Error),
}

impl Failure {
    pub fn argument(message: impl Into<String>) -> Self {
        Self::Argument(message.into())
    }

    /// What `catch_unwind` caught.
    pub fn panicked(payload: &(dyn Any + Send)) -> Self {
        Self::Panicked(Self::panic_text(payload))
    }

    /// What a panic said.
    pub fn panic_text(payload: &(dyn Any + Send)) -> String {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("unknown panic").to_owned()
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Core(error) => error.kind().code(),
            Self::Closed(_) => ErrorKind::Closed.code(),
            Self::Argument(_) => ErrorKind::InvalidArgument.code(),
            Self::Panicked(_) => ErrorKind::Poisoned.code(),
            Self::Node(_) => ErrorKind::Io.code(),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Core(error) => error.to_string(),
            Self::Closed(what) => format!("the {what} is closed"),
            Self::Argument(message) => message.clone(),
            Self::Panicked(message) => {
                format!("internal failure, the handle is not used any more: {message}")
            }
            Self::Node(error) => error.reason.clone(),
        }
    }

    /// The `Error` object of this failure. Null where the environment is going away.
    pub fn to_js(&self, env: sys::napi_env) -> sys::napi_value {
        let mut object = ptr::null_mut();
        let (code, text) = (string(env, self.code()), string(env, &self.text()));
        // SAFETY: `env` is the environment of the running call and both values are strings of it.
        let status = unsafe { sys::napi_create_error(env, code, text, &raw mut object) };
        if status != sys::Status::napi_ok {
            return ptr::null_mut();
        }
        if let Self::Core(error) = self {
            let path = error.path().map(|path| string(env, &path.to_string_lossy()));
            let numbers: [(&CStr, Option<u64>); 5] = [
                (c"offset", error.offset()),
                (c"seq", error.seq()),
                (c"pid", error.pid().map(u64::from)),
                (c"actual", error.actual()),
                (c"first", error.first()),
            ];
            define(env, object, c"path", path);
            for (name, value) in numbers {
                define(env, object, name, value.map(|value| double(env, value)));
            }
        }
        object
    }

    /// Throws this failure in JavaScript, from a plain callback.
    #[cold]
    pub fn throw(&self, env: sys::napi_env) {
        if let Self::Node(error) = self
            && error.status == Status::PendingException
        {
            return;
        }
        let object = self.to_js(env);
        if !object.is_null() {
            // SAFETY: `object` is an error of the running call. A refusal means that the environment is going away.
            unsafe { sys::napi_throw(env, object) };
        }
    }
}

impl From<napi::Error> for Failure {
    fn from(error: napi::Error) -> Self {
        Self::Node(error)
    }
}

/// Throws the failure of a `#[napi]` call: what is returned says that an exception is pending.
pub fn raise<T>(env: &Env, result: Result<T, Failure>) -> napi::Result<T> {
    result.map_err(|failure| {
        failure.throw(env.raw());
        napi::Error::new(Status::PendingException, String::new())
    })
}

fn string(env: sys::napi_env, text: &str) -> sys::napi_value {
    let mut value = ptr::null_mut();
    // SAFETY: pointer and length are those of `text`, which N-API copies.
    unsafe {
        sys::napi_create_string_utf8(env, text.as_ptr().cast(), text.len().cast_signed(), &raw mut value);
    }
    value
}

fn double(env: sys::napi_env, value: u64) -> sys::napi_value {
    let mut number = ptr::null_mut();
    // SAFETY: `number` outlives the call.
    unsafe { sys::napi_create_double(env, number::to_js(value), &raw mut number) };
    number
}

/// Defines a property. Defining, unlike setting, runs no setter that a program put on `Error.prototype`.
fn define(env: sys::napi_env, object: sys::napi_value, name: &CStr, value: Option<sys::napi_value>) {
    let Some(value) = value.filter(|value| !value.is_null()) else { return };
    let property = sys::napi_property_descriptor {
        utf8name: name.as_ptr(),
        name: ptr::null_mut(),
        method: None,
        getter: None,
        setter: None,
        value,
        attributes: sys::PropertyAttributes::writable
            | sys::PropertyAttributes::enumerable
            | sys::PropertyAttributes::configurable,
        data: ptr::null_mut(),
    };
    // SAFETY: `object` and `value` belong to the running call.
    unsafe { sys::napi_define_properties(env, object, 1, &raw const property) };
}
