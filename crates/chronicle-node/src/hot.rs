//! The hot calls: plain callbacks, a fifth of the cost of `#[napi]` methods.
//!
//! A callback owns a share of the state behind it, through a finalizer on the function object: it works for as long as
//! JavaScript holds it, whatever becomes of the handle that made it, and refuses once that handle is closed. No call
//! here runs JavaScript while it borrows the state: arguments are typed arrays, strings, and numbers in a pinned block.
#![expect(unsafe_code, reason = "N-API callbacks and the data pointer behind them")]

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use napi::sys;

use crate::failure::Failure;
use crate::raw::undefined;

/// What a hot call does: it gets the state and its arguments, and returns a value of the running call.
pub type Call<T, const ARGS: usize> =
    fn(&T, sys::napi_env, [sys::napi_value; ARGS]) -> Result<sys::napi_value, Failure>;

/// A kind of hot call. Its type is all that the machine code of the callback depends on.
pub trait HotCall<const ARGS: usize>: 'static {
    type State: 'static;
    const CALL: Call<Self::State, ARGS>;
}

/// Makes the JavaScript function of a hot call.
pub fn function<H: HotCall<ARGS>, const ARGS: usize>(
    env: sys::napi_env,
    state: &Rc<H::State>,
) -> Result<sys::napi_value, Failure> {
    let data = Rc::into_raw(Rc::clone(state)).cast_mut().cast::<c_void>();
    let mut function = ptr::null_mut();
    // SAFETY: `data` is a share that the callback borrows and the finalizer below gives back.
    let made = unsafe {
        let created = sys::napi_create_function(
            env,
            ptr::null(),
            0,
            Some(callback::<H, ARGS>),
            data,
            &raw mut function,
        );
        created == sys::Status::napi_ok
            && sys::napi_add_finalizer(
                env,
                function,
                data,
                Some(finalize::<H, ARGS>),
                ptr::null_mut(),
                ptr::null_mut(),
            ) == sys::Status::napi_ok
    };
    if made {
        return Ok(function);
    }
    // SAFETY: no finalizer was registered, and the function, if there is one, was given to nobody.
    drop(unsafe { Rc::from_raw(data.cast_const().cast::<H::State>()) });
    Err(Failure::argument("the environment is shutting down"))
}

unsafe extern "C" fn callback<H: HotCall<ARGS>, const ARGS: usize>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    let (mut count, mut args, mut data) = (ARGS, [ptr::null_mut(); ARGS], ptr::null_mut());
    // SAFETY: `args` has room for `count` values; missing ones become `undefined`.
    unsafe {
        sys::napi_get_cb_info(env, info, &raw mut count, args.as_mut_ptr(), ptr::null_mut(), &raw mut data);
    }
    // SAFETY: the share that `function` gave away. It is given back when the function object is collected, so not
    // before this call of it ends.
    let state = unsafe { &*data.cast_const().cast::<H::State>() };
    // A panic must not unwind into Node.js. State that it leaves half-done is behind a `Slot`, which notices too.
    let result = catch_unwind(AssertUnwindSafe(|| H::CALL(state, env, args)))
        .unwrap_or_else(|payload| Err(Failure::panicked(payload.as_ref())));
    result.unwrap_or_else(|failure| {
        failure.throw(env);
        undefined(env)
    })
}

unsafe extern "C" fn finalize<H: HotCall<ARGS>, const ARGS: usize>(
    _env: sys::napi_env,
    data: *mut c_void,
    _hint: *mut c_void,
) {
    // SAFETY: the share that `function` gave away; N-API calls a finalizer once.
    let state = unsafe { Rc::from_raw(data.cast_const().cast::<H::State>()) };
    // Dropping a writer may panic in the core; that must not unwind into the collector.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(state)));
}
