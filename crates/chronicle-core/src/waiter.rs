//! Sleeping until there may be new messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::chronicle::Inner;
use crate::platform;

/// The longest pause between two looks of a waiter that cannot be woken.
const MAX_PAUSE: Duration = Duration::from_millis(5);

/// What a thread sleeps on. Use it in this order: [`ticket`](Self::ticket), look for messages once more,
/// [`wait`](Self::wait) with the ticket. Then no message is slept through.
///
/// On Linux the writer wakes the sleeper. Elsewhere, and where the chronicle cannot be written to, the sleeper looks again
/// by itself, first after 50 µs and then less and less often, down to every 5 ms.
#[derive(Debug, Clone)]
pub struct WaitHandle {
    inner: Arc<Inner>,
    interrupted: Arc<AtomicBool>,
}

/// What the log looked like before the last look for messages.
#[derive(Debug, Clone, Copy)]
pub struct Ticket {
    notify: u32,
    head: u64,
    durable: u64,
}

impl WaitHandle {
    pub(crate) fn new(inner: &Arc<Inner>) -> Self {
        Self { inner: Arc::clone(inner), interrupted: Arc::default() }
    }

    /// Announces that a look for messages and then perhaps a sleep follow.
    #[must_use]
    pub fn ticket(&self) -> Ticket {
        let control = &self.inner.control;
        let notify = if control.writable() { control.prepare_wait() } else { 0 };
        Ticket { notify, head: control.head(), durable: control.durable() }
    }

    /// Blocks this thread until there may be a message newer than the ticket, [`interrupt`](Self::interrupt) is called, or
    /// `timeout` is over. Returns false when the time is over and nothing has changed: the ticket is good for another wait then.
    #[expect(clippy::must_use_candidate, reason = "who looks for messages anyway needs no answer")]
    pub fn wait(&self, ticket: Ticket, timeout: Duration) -> bool {
        let interrupted = || self.interrupted.swap(false, Ordering::Acquire);
        if interrupted() {
            return true;
        }
        let control = &self.inner.control;
        // A page that was lost is a change too: whoever looks gets the error.
        let unchanged = || {
            control.head() == ticket.head && control.durable() == ticket.durable && control.intact().is_ok()
        };
        if platform::HAS_WAKE && control.writable() {
            let notify = control.notify_word();
            platform::wait_on(notify, ticket.notify, timeout);
            return interrupted() || notify.load(Ordering::Acquire) != ticket.notify || !unchanged();
        }
        let start = Instant::now();
        let mut pause = Duration::from_micros(50);
        while unchanged() {
            if interrupted() {
                return true;
            }
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                return false;
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(MAX_PAUSE);
        }
        true
    }

    /// Makes a [`wait`](Self::wait) on this handle or a clone of it return soon: the one that sleeps now, or else the next.
    pub fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Release);
        if platform::HAS_WAKE && self.inner.control.writable() {
            self.inner.control.notify();
        }
    }
}
