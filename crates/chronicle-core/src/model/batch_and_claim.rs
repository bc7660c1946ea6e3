//! Commit words that follow one another: batches, and claims that are given up.

use loom::sync::Arc;
use loom::thread;

use super::MESSAGE;
use crate::sync::{AtomicU32, Ordering};
use crate::wait::{publish, published};

/// Commit words that follow one another, and a reader that walks them once.
fn walk(write: fn(&[AtomicU32; 2]), check: fn(u32)) {
    loom::model(move || {
        let words = Arc::new(<[AtomicU32; 2]>::default());
        let shared = Arc::clone(&words);
        let writer = thread::spawn(move || write(&shared));
        if published(&words[0]) != 0 {
            check(published(&words[1]));
        }
        writer.join().unwrap();
    });
}

fn whole(second: u32) {
    assert_eq!(second, MESSAGE, "a part of the batch is seen");
}

#[test]
fn a_batch_is_seen_whole() {
    walk(
        |words| {
            publish(&words[1], MESSAGE);
            publish(&words[0], MESSAGE);
        },
        whole,
    );
}

#[test]
#[should_panic(expected = "a part of the batch is seen")]
fn its_first_record_goes_last() {
    walk(
        |words| {
            publish(&words[0], MESSAGE);
            publish(&words[1], MESSAGE);
        },
        whole,
    );
}

#[test]
#[should_panic(expected = "a part of the batch is seen")]
fn its_first_record_needs_release() {
    walk(
        |words| {
            publish(&words[1], MESSAGE);
            words[0].store(MESSAGE, Ordering::Relaxed);
        },
        whole,
    );
}

const PAYLOAD: u32 = 0x6F6C_6C65;

fn unpublished(second: u32) {
    assert_eq!(second, 0, "a byte of an aborted claim is taken for a commit word");
}

#[test]
fn an_aborted_claim_leaves_nothing_behind_the_next_record() {
    walk(
        |words| {
            words[1].store(PAYLOAD, Ordering::Relaxed);
            words[1].store(0, Ordering::Relaxed);
            publish(&words[0], MESSAGE);
        },
        unpublished,
    );
}

#[test]
#[should_panic(expected = "a byte of an aborted claim is taken for a commit word")]
fn it_is_zeroed_before_the_next_record_is_published() {
    walk(
        |words| {
            words[1].store(PAYLOAD, Ordering::Relaxed);
            publish(&words[0], MESSAGE);
            words[1].store(0, Ordering::Relaxed);
        },
        unpublished,
    );
}

#[test]
#[should_panic(expected = "a byte of an aborted claim is taken for a commit word")]
fn the_zeros_need_the_release_of_the_next_record() {
    walk(
        |words| {
            words[1].store(PAYLOAD, Ordering::Relaxed);
            words[1].store(0, Ordering::Relaxed);
            words[0].store(MESSAGE, Ordering::Relaxed);
        },
        unpublished,
    );
}
