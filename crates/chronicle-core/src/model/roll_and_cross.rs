//! The end of a segment and the segment that follows.

use loom::cell::UnsafeCell;
use loom::sync::{Arc, Mutex};
use loom::thread;

use super::{END, Log, MESSAGE};
use crate::sync::AtomicU32;
use crate::wait::{must_wake, prepare, publish, published};

/// A segment with a message and END, and the one that follows under a name of its own.
#[derive(Default)]
struct Segments {
    log: Log,
    named: Mutex<bool>,
    header: UnsafeCell<u64>,
    first: AtomicU32,
}

impl Segments {
    fn name(&self) {
        // SAFETY: nobody opens the segment before it has its name; loom fails the model when one does.
        self.header.with_mut(|header| unsafe { *header = 42 });
        *self.named.lock().unwrap() = true;
    }

    fn end(&self) {
        publish(&self.log.commit[1], END);
    }

    /// Whether the message of the next segment is there.
    fn cross(&self) -> bool {
        if published(&self.log.commit[0]) == 0 || published(&self.log.commit[1]) == 0 {
            return false;
        }
        assert!(*self.named.lock().unwrap(), "the next segment is gone");
        // SAFETY: as in `name`.
        self.header.with(|header| assert_eq!(unsafe { *header }, 42));
        published(&self.first) != 0
    }
}

fn run(roll: fn(&Segments)) {
    loom::model(move || {
        let segments = Arc::new(Segments::default());
        let shared = Arc::clone(&segments);
        let writer = thread::spawn(move || {
            shared.log.append(0, must_wake);
            roll(&shared);
            publish(&shared.first, MESSAGE);
            must_wake(&shared.log.waiting, &shared.log.notify);
        });
        let asleep = segments.log.read(|| segments.cross(), prepare);
        writer.join().unwrap();
        segments.log.wakes(asleep);
    });
}

#[test]
fn a_reader_crosses_without_help() {
    run(|segments| {
        segments.name();
        segments.end();
    });
}

#[test]
#[should_panic(expected = "the next segment is gone")]
fn the_name_comes_before_the_end() {
    run(|segments| {
        segments.end();
        segments.name();
    });
}

/// An empty segment, and the larger one that takes its name.
#[derive(Default)]
struct Replaced {
    log: Log,
    larger: Mutex<bool>,
}

fn replace(roll: fn(&Replaced)) {
    loom::model(move || {
        let segments = Arc::new(Replaced::default());
        let shared = Arc::clone(&segments);
        let writer = thread::spawn(move || {
            roll(&shared);
            shared.log.append(1, must_wake);
        });
        // The reader has the empty segment mapped: END alone makes it look at the name again.
        let there = || {
            let renamed = published(&segments.log.commit[0]) == END && *segments.larger.lock().unwrap();
            renamed && published(&segments.log.commit[1]) != 0
        };
        let asleep = segments.log.read(there, prepare);
        writer.join().unwrap();
        segments.log.wakes(asleep);
        assert!(there(), "the reader stays in the empty segment");
    });
}

#[test]
fn a_reader_leaves_an_empty_segment_for_the_larger_one_of_its_name() {
    replace(|segments| {
        publish(&segments.log.commit[0], END);
        *segments.larger.lock().unwrap() = true;
    });
}

#[test]
#[should_panic(expected = "the reader stays in the empty segment")]
fn it_does_not_without_end() {
    replace(|segments| *segments.larger.lock().unwrap() = true);
}
