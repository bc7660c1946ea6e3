//! The words by which readers sleep and the writer wakes them.

use loom::sync::Arc;
use loom::thread;

use super::{Log, Sleep, Wake};
use crate::sync::{AtomicU32, Ordering, fence};
use crate::wait::{must_wake, prepare, published};

/// Two readers, each after a record of its own.
fn run(wake: Wake, sleep: Sleep) {
    loom::model(move || {
        let log = Arc::new(Log::default());
        let readers = [0, 1].map(|record| {
            let log = Arc::clone(&log);
            thread::spawn(move || log.read(|| published(&log.commit[record]) != 0, sleep))
        });
        log.append(0, wake);
        log.append(1, wake);
        for reader in readers {
            log.wakes(reader.join().unwrap());
        }
    });
}

#[test]
fn nobody_sleeps_on_a_message_that_is_there() {
    run(must_wake, prepare);
}

fn wake_without_fence(waiting: &AtomicU32, notify: &AtomicU32) -> bool {
    if waiting.load(Ordering::Relaxed) == 0 {
        return false;
    }
    waiting.store(0, Ordering::Relaxed);
    notify.fetch_add(1, Ordering::Release);
    true
}

#[test]
#[should_panic(expected = "a reader sleeps on a message that is there")]
fn the_writer_needs_its_fence() {
    run(wake_without_fence, prepare);
}

fn sleep_without_fence(waiting: &AtomicU32, notify: &AtomicU32) -> u32 {
    let ticket = notify.load(Ordering::Acquire);
    waiting.store(1, Ordering::Relaxed);
    ticket
}

#[test]
#[should_panic(expected = "a reader sleeps on a message that is there")]
fn the_reader_needs_its_fence() {
    run(must_wake, sleep_without_fence);
}

fn sleep_with_a_late_ticket(waiting: &AtomicU32, notify: &AtomicU32) -> u32 {
    waiting.store(1, Ordering::Relaxed);
    fence(Ordering::SeqCst);
    notify.load(Ordering::Acquire)
}

#[test]
#[should_panic(expected = "a reader sleeps on a message that is there")]
fn the_ticket_comes_before_the_flag() {
    run(must_wake, sleep_with_a_late_ticket);
}

fn wake_before_clearing(waiting: &AtomicU32, notify: &AtomicU32) -> bool {
    fence(Ordering::SeqCst);
    if waiting.load(Ordering::Relaxed) == 0 {
        return false;
    }
    notify.fetch_add(1, Ordering::Release);
    waiting.store(0, Ordering::Relaxed);
    true
}

#[test]
#[should_panic(expected = "a reader sleeps on a message that is there")]
fn the_flag_is_cleared_before_the_word_is_bumped() {
    run(wake_before_clearing, prepare);
}
