//! Every interleaving of the words that processes share, and every value that the memory model lets a load return.
//!
//! Each protocol is run as it is, and once for each ordering, fence or step that it needs with that one left out: the second
//! must fail, or the model proves nothing. Run by `npm run test:model`.

use loom::cell::UnsafeCell;
use loom::sync::{Arc, Mutex};
use loom::thread;

use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};
use crate::wait::{must_wake, prepare, publish, published, set_head};

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

mod publish_and_observe {
    use super::*;

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
}

mod wake_and_sleep {
    use super::*;

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
}

mod roll_and_cross {
    use super::*;

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
}

mod batch_and_claim {
    use super::*;

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
}
