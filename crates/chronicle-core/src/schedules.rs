//! Long runs of the protocols in [`model`](crate::model) under schedules that are chosen at random: many records, batches, claims and
//! rolls, and several readers that sleep and go on. The memory is sequentially consistent here, so a step that is left out or in the
//! wrong place is found and an ordering or a fence is not: those are for `model`. Run by `npm run test:model`.

use std::sync::Arc as StdArc;

use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::{Arc, Condvar, Mutex};
use shuttle::{Config, Runner, thread};

use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::wait::{must_wake, prepare, publish, published, set_head};

/// Words of a segment. A record takes two: its commit word, and its payload, which may lie where another one's commit word will.
const WORDS: usize = 12;
const MESSAGES: u32 = 18;
const READERS: usize = 2;
const SEGMENTS: usize = 8;

const MESSAGE: u32 = 1 << 16;
const FOLLOWED: u32 = 1 << 17;
const END: u32 = 1 << 18;
/// What a claim that is given up has written: it looks like a commit word.
const NOISE: u32 = MESSAGE | 0x7777;

/// How many schedules, of each kind. `CHRONICLE_SCHEDULES` asks for more.
fn schedules() -> usize {
    std::env::var("CHRONICLE_SCHEDULES").map_or(6000, |count| count.parse().unwrap())
}

/// The steps of the protocol, each of which may be another one.
#[derive(Clone, Copy)]
struct Steps {
    wake: fn(&AtomicU32, &AtomicU32) -> bool,
    sleep: fn(&AtomicU32, &AtomicU32) -> u32,
    looks_again: bool,
    front_last: bool,
    zeroes: bool,
    names_first: bool,
    head_last: bool,
}

const RIGHT: Steps = Steps {
    wake: must_wake,
    sleep: prepare,
    looks_again: true,
    front_last: true,
    zeroes: true,
    names_first: true,
    head_last: true,
};

/// A log in memory: segments of words, the words of `control`, and a kernel that lets sleep and wakes.
struct Log {
    segments: Vec<[AtomicU32; WORDS]>,
    /// How many segments have their name.
    named: AtomicU32,
    waiting: AtomicU32,
    notify: AtomicU32,
    head: AtomicU64,
    kernel: Mutex<()>,
    awake: Condvar,
    steps: Steps,
}

impl Log {
    fn new(steps: Steps) -> Self {
        Self {
            segments: (0..SEGMENTS).map(|_| std::array::from_fn(|_| AtomicU32::new(0))).collect(),
            named: AtomicU32::new(1),
            waiting: AtomicU32::new(0),
            notify: AtomicU32::new(0),
            head: AtomicU64::new(0),
            kernel: Mutex::new(()),
            awake: Condvar::new(),
            steps,
        }
    }

    /// As a futex does: compares and falls asleep in one step.
    fn sleep(&self, ticket: u32) {
        let mut kernel = self.kernel.lock().unwrap();
        while self.notify.load(Ordering::SeqCst) == ticket {
            kernel = self.awake.wait(kernel).unwrap();
        }
    }

    fn wake(&self) {
        if (self.steps.wake)(&self.waiting, &self.notify) {
            drop(self.kernel.lock().unwrap());
            self.awake.notify_all();
        }
    }
}

struct Writer {
    log: Arc<Log>,
    segment: usize,
    at: usize,
    next: u32,
}

impl Writer {
    fn word(&self, at: usize) -> &AtomicU32 {
        &self.log.segments[self.segment][at]
    }

    fn run(mut self) {
        while self.next < MESSAGES {
            let left = (MESSAGES - self.next) as usize;
            match thread_rng().gen_range(0..4) {
                0 => self.batch(left.min(2)),
                1 => self.give_up(),
                _ => self.batch(1),
            }
        }
    }

    /// Appends so many records, of which a reader sees all or none.
    fn batch(&mut self, count: usize) {
        if self.at + 2 * count > WORDS - 1 {
            self.roll();
        }
        let commit = |index: usize| {
            let followed = if index + 1 < count { FOLLOWED } else { 0 };
            MESSAGE | followed | (self.next + index as u32)
        };
        for index in 0..count {
            self.word(self.at + 2 * index + 1).store(self.next + index as u32, Ordering::Relaxed);
        }
        let mut order: Vec<usize> = (1..count).collect();
        order.insert(if self.log.steps.front_last { count - 1 } else { 0 }, 0);
        let head = u64::from(self.next) + count as u64;
        if !self.log.steps.head_last {
            set_head(&self.log.head, head);
        }
        for index in order {
            publish(self.word(self.at + 2 * index), commit(index));
        }
        (self.at, self.next) = (self.at + 2 * count, self.next + count as u32);
        set_head(&self.log.head, head);
        self.log.wake();
    }

    /// Claims the words behind the next commit word, writes to them, and gives them back.
    fn give_up(&mut self) {
        for at in self.at + 1..(self.at + 4).min(WORDS) {
            self.word(at).store(NOISE, Ordering::Relaxed);
        }
        if self.log.steps.zeroes {
            for at in self.at + 1..(self.at + 4).min(WORDS) {
                self.word(at).store(0, Ordering::Relaxed);
            }
        }
    }

    fn roll(&mut self) {
        let name = |log: &Log| log.named.fetch_add(1, Ordering::SeqCst);
        if self.log.steps.names_first {
            name(&self.log);
        }
        publish(self.word(self.at), END | self.next);
        if !self.log.steps.names_first {
            name(&self.log);
        }
        (self.segment, self.at) = (self.segment + 1, 0);
    }
}

struct Reader {
    log: Arc<Log>,
    segment: usize,
    at: usize,
    next: u32,
}

impl Reader {
    fn word(&self) -> &AtomicU32 {
        &self.log.segments[self.segment][self.at]
    }

    /// Reads all messages, or goes away before.
    fn run(mut self, until: u32) {
        while self.next < until {
            let head = self.log.head.load(Ordering::Acquire);
            let word = published(self.word());
            assert!(word != 0 || head <= self.next.into(), "the head speaks of a message that is not there");
            if word != 0 {
                self.take(word);
                continue;
            }
            let ticket = (self.log.steps.sleep)(&self.log.waiting, &self.log.notify);
            if !self.log.steps.looks_again || published(self.word()) == 0 {
                self.log.sleep(ticket);
            }
        }
    }

    fn take(&mut self, word: u32) {
        assert_eq!(word & 0xFFFF, self.next, "another word is taken for a commit word");
        if word & END != 0 {
            self.segment += 1;
            self.at = 0;
            let named = self.log.named.load(Ordering::SeqCst);
            assert!(named as usize > self.segment, "the next segment is gone");
            return;
        }
        let payload = self.log.segments[self.segment][self.at + 1].load(Ordering::Relaxed);
        assert_eq!(payload, self.next, "the payload is another one's");
        (self.at, self.next) = (self.at + 2, self.next + 1);
        if word & FOLLOWED != 0 {
            assert_ne!(published(self.word()), 0, "a part of the batch is seen");
        }
    }
}

/// Runs a writer and readers under many schedules: evenly random ones, and those with a few changes of who goes first.
fn explore(steps: Steps) {
    let scenario = StdArc::new(move || {
        let log = Arc::new(Log::new(steps));
        let start = |log: &Arc<Log>| (Arc::clone(log), 0, 0, 0);
        let readers: Vec<_> = (0..READERS)
            .map(|reader| {
                let (log, segment, at, next) = start(&log);
                // One of them is gone in the middle, asleep or not: the flag that it has left costs one wake.
                let until = if reader == 0 { MESSAGES } else { MESSAGES / 2 };
                thread::spawn(move || Reader { log, segment, at, next }.run(until))
            })
            .collect();
        let (log, segment, at, next) = start(&log);
        Writer { log, segment, at, next }.run();
        for reader in readers {
            reader.join().unwrap();
        }
    });
    let mut config = Config::new();
    config.silence_warnings = true;
    let count = schedules();
    let run = StdArc::clone(&scenario);
    Runner::new(RandomScheduler::new(count), config.clone()).run(move || run());
    Runner::new(PctScheduler::new(4, count), config).run(move || scenario());
}

#[test]
fn every_reader_sees_every_message_once_and_whole() {
    explore(RIGHT);
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_reader_that_does_not_look_again_sleeps_for_ever() {
    explore(Steps { looks_again: false, ..RIGHT });
}

#[test]
#[should_panic(expected = "deadlock")]
fn the_ticket_comes_before_the_flag() {
    let sleep = |waiting: &AtomicU32, notify: &AtomicU32| {
        waiting.store(1, Ordering::Relaxed);
        notify.load(Ordering::Acquire)
    };
    explore(Steps { sleep, ..RIGHT });
}

#[test]
#[should_panic(expected = "deadlock")]
fn the_flag_is_cleared_before_the_word_is_bumped() {
    let wake = |waiting: &AtomicU32, notify: &AtomicU32| {
        if waiting.load(Ordering::Relaxed) == 0 {
            return false;
        }
        notify.fetch_add(1, Ordering::Release);
        waiting.store(0, Ordering::Relaxed);
        true
    };
    explore(Steps { wake, ..RIGHT });
}

#[test]
#[should_panic(expected = "a part of the batch is seen")]
fn the_first_record_of_a_batch_goes_last() {
    explore(Steps { front_last: false, ..RIGHT });
}

#[test]
#[should_panic(expected = "another word is taken for a commit word")]
fn a_claim_that_is_given_up_is_zeroed() {
    explore(Steps { zeroes: false, ..RIGHT });
}

#[test]
#[should_panic(expected = "the next segment is gone")]
fn the_name_comes_before_the_end() {
    explore(Steps { names_first: false, ..RIGHT });
}

#[test]
#[should_panic(expected = "the head speaks of a message that is not there")]
fn the_head_comes_after_the_message() {
    explore(Steps { head_last: false, ..RIGHT });
}
