//! `NativeWaiter`: the one thread of a chronicle that sleeps until there are new messages.

#![expect(unsafe_code, reason = "registers a cleanup hook with a data pointer")]

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use chronicle_core::{Ticket, WaitHandle};
use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status, sys};
use napi_derive::napi;

use crate::failure::Failure;

/// Weak, so that a waiting thread keeps no process alive; one call at a time says all there is to say.
type Notify = ThreadsafeFunction<(), (), (), Status, false, true, 1>;

/// What the JavaScript thread tells the waiting one.
enum Order {
    Rest,
    Sleep(Ticket),
    Stop,
}

struct Shared {
    order: Mutex<Order>,
    changed: Condvar,
    handle: WaitHandle,
    /// A sleep ends after this time even without a message.
    period: Duration,
}

impl Shared {
    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&self, order: Order) {
        let mut current = self.order();
        if !matches!(*current, Order::Stop) {
            *current = order;
        }
        drop(current);
        self.changed.notify_one();
    }

    /// The ticket to sleep on, once there is one; none when the thread has to end.
    fn next_ticket(&self) -> Option<Ticket> {
        let mut order = self.order();
        loop {
            match *order {
                Order::Rest => order = self.changed.wait(order).unwrap_or_else(PoisonError::into_inner),
                Order::Sleep(ticket) => return Some(ticket),
                Order::Stop => return None,
            }
        }
    }

    fn run(&self, notify: &Notify) {
        while let Some(ticket) = self.next_ticket() {
            // What has not changed is no reason to wake the JavaScript thread.
            while !self.handle.wait(ticket, self.period) {}
            self.give(Order::Rest);
            if notify.call((), ThreadsafeFunctionCallMode::NonBlocking) == Status::Closing {
                return;
            }
        }
    }
}

/// The thread, which ends before the environment whose function it calls.
struct Thread {
    shared: Arc<Shared>,
    join: JoinHandle<()>,
}

/// Empty once the thread was told to end, so that nothing of the chronicle is held any longer.
type ThreadCell = RefCell<Option<Thread>>;

fn stop(thread: &ThreadCell) {
    if let Some(Thread { shared, join }) = thread.take() {
        shared.give(Order::Stop);
        shared.handle.interrupt();
        // A thread that panicked has ended too.
        let _ = join.join();
    }
}

/// Waits for new messages and calls back on the JavaScript thread.
#[napi]
pub struct NativeWaiter {
    thread: Rc<ThreadCell>,
    ticket: Cell<Option<Ticket>>,
    hook: Cell<Option<Hook>>,
}

impl NativeWaiter {
    pub fn start(
        env: Env,
        handle: WaitHandle,
        notify: &Function<'_, (), ()>,
        period: Duration,
    ) -> Result<Self, Failure> {
        let notify: Notify = notify
            .build_threadsafe_function::<()>()
            .weak::<true>()
            .callee_handled::<false>()
            .max_queue_size::<1>()
            .build()?;
        let shared =
            Arc::new(Shared { order: Mutex::new(Order::Rest), changed: Condvar::new(), handle, period });
        let worker = Arc::clone(&shared);
        let join = Builder::new()
            .name("chronicle-wait".to_owned())
            .spawn(move || worker.run(&notify))
            .map_err(|error| Failure::argument(format!("cannot start the waiting thread: {error}")))?;
        let thread = Rc::new(RefCell::new(Some(Thread { shared, join })));
        let hook = Hook::add(env, &thread)?;
        Ok(Self { thread, ticket: Cell::new(None), hook: Cell::new(Some(hook)) })
    }

    fn stop(&self) {
        stop(&self.thread);
        drop(self.hook.take());
    }
}

#[napi]
impl NativeWaiter {
    /// Announces that a look for messages follows, and then perhaps `arm`.
    #[napi(catch_unwind)]
    pub fn prepare(&self) {
        let thread = self.thread.borrow();
        self.ticket.set(thread.as_ref().map(|thread| thread.shared.handle.ticket()));
    }

    /// Sleeps until there may be messages newer than the last `prepare`, and then calls back once.
    #[napi(catch_unwind)]
    pub fn arm(&self) {
        if let (Some(ticket), Some(thread)) = (self.ticket.take(), self.thread.borrow().as_ref()) {
            thread.shared.give(Order::Sleep(ticket));
        }
    }

    /// Ends the thread.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.stop();
    }
}

impl Drop for NativeWaiter {
    fn drop(&mut self) {
        // Also where it never gets to JavaScript, because the worker that asks for it is being terminated.
        self.stop();
    }
}

/// Ends the thread when the environment goes away before the waiter is closed.
struct Hook {
    env: sys::napi_env,
    thread: *const ThreadCell,
}

impl Hook {
    fn add(env: Env, thread: &Rc<ThreadCell>) -> Result<Self, Failure> {
        let hook = Self { env: env.raw(), thread: Rc::into_raw(Rc::clone(thread)) };
        // SAFETY: the share stays until `drop`, which takes the hook away first.
        let status = unsafe {
            sys::napi_add_env_cleanup_hook(hook.env, Some(end_thread), hook.thread.cast_mut().cast())
        };
        if status == sys::Status::napi_ok {
            return Ok(hook);
        }
        stop(thread);
        Err(Failure::argument("the environment is shutting down"))
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        // SAFETY: on the thread of `env`, by `close` or by a drop, so while `env` lives. A hook that has run is gone
        // already, which Node.js does not mind. The share is the one of `add`.
        unsafe {
            sys::napi_remove_env_cleanup_hook(self.env, Some(end_thread), self.thread.cast_mut().cast());
            drop(Rc::from_raw(self.thread));
        }
    }
}

unsafe extern "C" fn end_thread(thread: *mut c_void) {
    // SAFETY: the share of `Hook::add`, which outlives the hook. Hooks run on the JavaScript thread, outside of any call.
    let thread = unsafe { &*thread.cast_const().cast::<ThreadCell>() };
    stop(thread);
}
