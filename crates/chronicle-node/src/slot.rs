//! The one place where native state is borrowed for a JavaScript call.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::failure::Failure;

/// State that JavaScript shares by reference counting: closed at any time, borrowed by one call at a time, and out of
/// use after a panic, because what the panic left half-done is unknown.
pub struct Slot<T> {
    what: &'static str,
    value: RefCell<Option<T>>,
    panicked: Cell<bool>,
}

/// What can be closed without knowing what it is.
pub trait Close {
    fn close(&self) -> Result<(), Failure>;
}

impl<T> Slot<T> {
    pub fn new(what: &'static str, value: T) -> Self {
        Self { what, value: RefCell::new(Some(value)), panicked: Cell::new(false) }
    }

    /// Runs `work` on the state. `work` must not run JavaScript; if it did, a nested call would be refused.
    #[inline]
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> Result<R, Failure>) -> Result<R, Failure> {
        let Ok(mut guard) = self.value.try_borrow_mut() else {
            return Err(Failure::argument(format!(
                "the {} is in use by a call that is still running",
                self.what
            )));
        };
        let Some(value) = guard.as_mut() else { return Err(Failure::Closed(self.what)) };
        if self.panicked.get() {
            return Err(Failure::Panicked("an earlier call panicked".to_owned()));
        }
        match catch_unwind(AssertUnwindSafe(|| work(value))) {
            Ok(result) => result,
            Err(payload) => {
                self.panicked.set(true);
                Err(Failure::panicked(payload.as_ref()))
            }
        }
    }

    pub fn is_closed(&self) -> bool {
        self.value.try_borrow().is_ok_and(|value| value.is_none())
    }
}

impl<T> Close for Slot<T> {
    fn close(&self) -> Result<(), Failure> {
        let Ok(mut guard) = self.value.try_borrow_mut() else {
            return Err(Failure::argument(format!(
                "the {} is in use by a call that is still running",
                self.what
            )));
        };
        let value = guard.take();
        drop(guard);
        catch_unwind(AssertUnwindSafe(|| drop(value))).map_err(|payload| Failure::panicked(payload.as_ref()))
    }
}
