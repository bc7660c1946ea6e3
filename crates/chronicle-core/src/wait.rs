//! The words by which a reader sleeps and the writer wakes it, and the order in which both touch them.
//!
//! Each side stores its own word and then looks at the other's, with a `SeqCst` fence between: so at least one of them sees
//! the other, and a reader never sleeps on a message that is there. `waiting` is a flag and not a count: a reader that is
//! killed in its sleep costs one wake that nobody needs, not a writer that calls the kernel for ever.

use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

/// Publishes a record: SYNC POINT: the header and payload stored before it become visible to the `Acquire` load of
/// [`published`].
#[inline]
pub(crate) fn publish(commit_word: &AtomicU32, word: u32) {
    commit_word.store(word, Ordering::Release);
}

/// The commit word; pairs with the `Release` store of [`publish`].
#[inline]
pub(crate) fn published(commit_word: &AtomicU32) -> u32 {
    commit_word.load(Ordering::Acquire)
}

/// The writer's look after a publish. Returns whether sleepers have to be woken on `notify`.
#[inline]
pub(crate) fn must_wake(waiting: &AtomicU32, notify: &AtomicU32) -> bool {
    // Orders the publish before the look: pairs with the fence of `prepare`.
    fence(Ordering::SeqCst);
    if waiting.load(Ordering::Relaxed) == 0 {
        return false;
    }
    raise(waiting, notify);
    true
}

#[cold]
fn raise(waiting: &AtomicU32, notify: &AtomicU32) {
    waiting.store(0, Ordering::Relaxed);
    // SYNC POINT: pairs with the `Acquire` load of `prepare`, and makes a sleeper that still holds the old value return at once.
    notify.fetch_add(1, Ordering::Release);
}

/// The reader's announcement. Returns the value to sleep on, once a further look has found nothing.
#[inline]
pub(crate) fn prepare(waiting: &AtomicU32, notify: &AtomicU32) -> u32 {
    let ticket = notify.load(Ordering::Acquire);
    waiting.store(1, Ordering::Relaxed);
    // Orders the flag before the further look at the commit word: pairs with the fence of `must_wake`.
    fence(Ordering::SeqCst);
    ticket
}

/// Tells how far the log goes: stored after the publish that it speaks of.
#[inline]
pub(crate) fn set_head(head: &AtomicU64, next_seq: u64) {
    // SYNC POINT: who loads this with `Acquire` finds the commit words of all messages below it.
    head.store(next_seq, Ordering::Release);
}
