//! A record and its commit word.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::MESSAGE;
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::wait::{publish, published, set_head};

/// A payload, its commit word, and the head that is stored behind both.
#[derive(Default)]
struct Record {
    payload: UnsafeCell<u64>,
    commit: AtomicU32,
    head: AtomicU64,
}

fn run(publish: fn(&AtomicU32, u32), set_head: fn(&AtomicU64, u64), published: fn(&AtomicU32) -> u32) {
    loom::model(move || {
        let record = Arc::new(Record::default());
        let shared = Arc::clone(&record);
        let writer = thread::spawn(move || {
            // SAFETY: nobody else looks at the payload before it is published; loom fails the model when one does.
            shared.payload.with_mut(|payload| unsafe { *payload = 42 });
            publish(&shared.commit, MESSAGE);
            set_head(&shared.head, 1);
        });
        let head = record.head.load(Ordering::Acquire);
        let word = published(&record.commit);
        assert!(head == 0 || word == MESSAGE, "the head speaks of a message that is not there");
        if word == MESSAGE {
            // SAFETY: as above.
            record.payload.with(|payload| assert_eq!(unsafe { *payload }, 42));
        }
        writer.join().unwrap();
    });
}

#[test]
fn a_published_record_is_whole() {
    run(publish, set_head, published);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn it_is_not_without_release() {
    run(|commit, word| commit.store(word, Ordering::Relaxed), set_head, published);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn it_is_not_without_acquire() {
    run(publish, set_head, |commit| commit.load(Ordering::Relaxed));
}

#[test]
#[should_panic(expected = "the head speaks of a message that is not there")]
fn the_head_needs_release_too() {
    run(publish, |head, seq| head.store(seq, Ordering::Relaxed), published);
}
