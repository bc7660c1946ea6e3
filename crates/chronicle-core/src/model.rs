//! Every interleaving of the words that processes share, and every value that the memory model lets a load return.
//!
//! Each protocol is run as it is, and once for each ordering, fence or step that it needs with that one left out: the second
//! must fail, or the model proves nothing. Run by `npm run test:model`.

use crate::sync::{AtomicU32, Ordering};
use crate::wait::publish;

mod batch_and_claim;
mod keep_and_store;
mod publish_and_observe;
mod roll_and_cross;
mod wake_and_sleep;

const MESSAGE: u32 = 1;
const END: u32 = 2;

type Wake = fn(&AtomicU32, &AtomicU32) -> bool;
type Sleep = fn(&AtomicU32, &AtomicU32) -> u32;

/// The commit words of two records, and the words by which readers sleep.
#[derive(Default)]
struct Log {
    commit: [AtomicU32; 2],
    waiting: AtomicU32,
    notify: AtomicU32,
}

impl Log {
    fn append(&self, record: usize, must_wake: Wake) {
        publish(&self.commit[record], MESSAGE);
        must_wake(&self.waiting, &self.notify);
    }

    /// One round of a reader. When nothing is there it goes to sleep: on the value that is returned.
    fn read(&self, there: impl Fn() -> bool, prepare: Sleep) -> Option<u32> {
        let ticket = prepare(&self.waiting, &self.notify);
        (!there()).then_some(ticket)
    }

    /// The kernel compares the word and sends a thread to sleep in one step: so who sleeps on an old value is woken, or did
    /// not even fall asleep. Everything is published by now.
    fn wakes(&self, asleep: Option<u32>) {
        // A read-modify-write sees the newest value, as the kernel does.
        let newest = self.notify.fetch_add(0, Ordering::Relaxed);
        assert!(asleep != Some(newest), "a reader sleeps on a message that is there");
    }
}
