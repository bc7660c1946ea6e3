//! A named position: its holder stores, flushes or is killed, while prunes in another process rely on it.

use std::sync::Mutex;

use loom::sync::Arc;
use loom::thread;

use crate::position::words::{Found, Slot, Words, word_of};
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

/// What the page cache and the disk hold, by slot, in the order of execution: loom does not see it, so it orders nothing.
#[derive(Default)]
struct Ledger {
    cached: [u64; 4],
    /// 0 where a power cut may leave anything.
    durable: [u64; 4],
    /// What messages were removed for.
    relied_on: u64,
    committed: u64,
}

impl Ledger {
    fn spoil(&mut self, slot: usize) {
        (self.cached[slot], self.durable[slot]) = (0, 0);
        self.check();
    }

    fn check(&self) {
        assert!(self.cached.iter().any(|&there| there >= self.committed), "a kill takes what was committed");
        assert!(
            self.durable.iter().any(|&there| there >= self.relied_on),
            "a power cut takes what a prune relied on"
        );
    }
}

type Take = fn(&Words<'_>, usize, usize) -> (usize, usize);
type Spare = fn(&Words<'_>, Found) -> bool;

/// How often a side is stopped before the end of what it does; more takes minutes.
const STOPS: Option<usize> = Some(3);
/// What two prunes can do to one commit takes one more.
const STOPS_LATE: Option<usize> = Some(4);

/// The steps of both sides.
#[derive(Clone, Copy)]
struct Steps {
    take: Take,
    spare: Spare,
    synced: fn(&Words<'_>, u64),
}

const AS_IT_IS: Steps = Steps {
    take: |words, newest, flushed| words.take(newest, flushed),
    spare: |words, found| words.spare(found),
    synced: |words, generation| words.synced(generation),
};

#[derive(Default)]
struct Position {
    stored: AtomicU32,
    spared: AtomicU64,
    synced: AtomicU64,
    slots: [(AtomicU64, AtomicU64, AtomicU32); 4],
    ledger: Mutex<Ledger>,
}

impl Position {
    /// The first slot is flushed, the second one is newer, as a commit leaves it.
    fn new() -> Self {
        let position = Self::default();
        for (slot, generation) in [(0, 1), (1, 2)] {
            position.words().store(slot, generation, generation);
        }
        let (cached, durable) = ([1, 2, 0, 0], [1, 0, 0, 0]);
        *position.ledger.lock().unwrap() = Ledger { cached, durable, relied_on: 0, committed: 2 };
        position
    }

    fn words(&self) -> Words<'_> {
        let slots = self.slots.each_ref().map(|(generation, next_seq, checksum)| Slot {
            generation,
            next_seq,
            checksum,
        });
        Words { stored: &self.stored, spared: &self.spared, synced: &self.synced, slots }
    }

    /// One prune. Returns whether it could rely on the position.
    fn prune(&self, steps: Steps) -> bool {
        self.words().newest().is_some_and(|found| self.rely_on(found, steps))
    }

    /// A prune from where it has found this to be the newest.
    fn rely_on(&self, found: Found, steps: Steps) -> bool {
        let words = self.words();
        if !(steps.spare)(&words, found) {
            return false;
        }
        let (generation, _, slot) = found;
        {
            // What else is on the disk then is not known.
            let mut ledger = self.ledger.lock().unwrap();
            if ledger.cached[slot] == generation {
                ledger.durable[slot] = generation;
            }
        }
        (steps.synced)(&words, generation);
        let mut ledger = self.ledger.lock().unwrap();
        ledger.relied_on = generation;
        ledger.check();
        true
    }
}

/// What the holder knows.
struct Holder {
    position: Arc<Position>,
    steps: Steps,
    newest: usize,
    flushed: usize,
    generation: u64,
}

impl Holder {
    fn new(position: &Arc<Position>, steps: Steps) -> Self {
        Self { position: Arc::clone(position), steps, newest: 1, flushed: 0, generation: 2 }
    }

    /// The next life, as the position is opened.
    fn open(position: &Arc<Position>, steps: Steps) -> Self {
        let words = position.words();
        let (generation, _, newest) = words.newest().unwrap();
        assert!(generation >= position.ledger.lock().unwrap().committed, "what was committed is gone");
        let mut holder = Self { position: Arc::clone(position), steps, newest, flushed: newest, generation };
        holder.flush();
        words.leave();
        holder
    }

    fn take(&mut self) {
        (self.newest, self.flushed) = (self.steps.take)(&self.position.words(), self.newest, self.flushed);
        self.position.ledger.lock().unwrap().spoil(self.newest);
        self.generation += 1;
    }

    fn store(&mut self) {
        self.position.words().store(self.newest, self.generation, self.generation);
        let mut ledger = self.position.ledger.lock().unwrap();
        ledger.cached[self.newest] = self.generation;
        ledger.committed = self.generation;
    }

    fn commit(&mut self) {
        self.take();
        self.store();
        self.position.words().leave();
    }

    fn flush(&mut self) {
        let mut ledger = self.position.ledger.lock().unwrap();
        ledger.durable = ledger.cached;
        self.flushed = self.newest;
    }
}

/// The holder does this, while `prunes` follow one another.
fn run(steps: Steps, prunes: usize, hold: fn(&mut Holder)) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = STOPS;
    model.check(move || {
        let position = Arc::new(Position::new());
        let mut holder = Holder::new(&position, steps);
        let holding = thread::spawn(move || hold(&mut holder));
        for _ in 0..prunes {
            position.prune(steps);
        }
        holding.join().unwrap();
        position.ledger.lock().unwrap().check();
    });
}

fn commit_twice(holder: &mut Holder) {
    holder.commit();
    holder.commit();
}

#[test]
fn what_a_prune_relies_on_stays_while_the_holder_commits() {
    run(AS_IT_IS, 1, commit_twice);
}

fn commit_and_flush(holder: &mut Holder) {
    holder.commit();
    holder.flush();
    holder.commit();
}

#[test]
fn it_stays_while_the_holder_flushes() {
    run(AS_IT_IS, 1, commit_and_flush);
}

fn take_without_fence(words: &Words<'_>, newest: usize, flushed: usize) -> (usize, usize) {
    let free = words.free(newest, flushed);
    words.stored.store(word_of(free), Ordering::Release);
    let kept = words.kept(flushed);
    if kept.contains(&free) { take_without_fence(words, newest, flushed) } else { (free, kept[0]) }
}

#[test]
#[should_panic(expected = "a power cut takes what a prune relied on")]
fn the_holder_needs_its_fence() {
    run(Steps { take: take_without_fence, ..AS_IT_IS }, 1, commit_twice);
}

#[test]
#[should_panic(expected = "a power cut takes what a prune relied on")]
fn the_holder_looks_again() {
    let take: Take = |words, newest, flushed| {
        let (free, kept) = (words.free(newest, flushed), words.kept(flushed));
        words.stored.store(word_of(free), Ordering::Release);
        fence(Ordering::SeqCst);
        (free, kept[0])
    };
    run(Steps { take, ..AS_IT_IS }, 1, commit_twice);
}

fn whole(words: &Words<'_>, (generation, _, slot): Found) -> bool {
    words.newest().is_some() && words.slots[slot].generation.load(Ordering::Acquire) == generation
}

#[test]
#[should_panic(expected = "a power cut takes what a prune relied on")]
fn a_prune_needs_its_fence() {
    let spare: Spare = |words, found| {
        words.spared.store(found.0, Ordering::Release);
        words.stored.load(Ordering::Acquire) != word_of(found.2) && whole(words, found)
    };
    run(Steps { spare, ..AS_IT_IS }, 1, commit_twice);
}

#[test]
#[should_panic(expected = "a power cut takes what a prune relied on")]
fn a_prune_looks_at_the_slot_that_is_stored_to() {
    let spare: Spare = |words, found| {
        words.spared.store(found.0, Ordering::Release);
        fence(Ordering::SeqCst);
        whole(words, found)
    };
    run(Steps { spare, ..AS_IT_IS }, 1, commit_twice);
}

#[test]
#[should_panic(expected = "a power cut takes what a prune relied on")]
fn a_prune_looks_at_the_slot_again() {
    let spare: Spare = |words, found| {
        words.spared.store(found.0, Ordering::Release);
        fence(Ordering::SeqCst);
        words.stored.load(Ordering::Acquire) != word_of(found.2)
    };
    run(Steps { spare, ..AS_IT_IS }, 1, commit_twice);
}

#[test]
#[should_panic(expected = "a power cut takes what a prune relied on")]
fn what_was_made_durable_is_said_before_another_one_is_spared() {
    run(Steps { synced: |_, _| {}, ..AS_IT_IS }, 2, commit_twice);
}

/// A prune has found a slot, and the holder has committed since. While it commits again, that prune and the next one go on.
fn run_late(steps: Steps) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = STOPS_LATE;
    model.check(move || {
        let position = Arc::new(Position::new());
        let found = position.words().newest().unwrap();
        let mut holder = Holder::new(&position, steps);
        holder.commit();
        let pruned = Arc::clone(&position);
        let pruning = thread::spawn(move || {
            pruned.rely_on(found, steps);
            pruned.prune(steps);
        });
        holder.commit();
        pruning.join().unwrap();
        position.ledger.lock().unwrap().check();
    });
}

#[test]
fn it_stays_while_the_next_prune_comes() {
    run_late(AS_IT_IS);
}

fn take_asking_for_spared_last(words: &Words<'_>, newest: usize, flushed: usize) -> (usize, usize) {
    let free = words.free(newest, flushed);
    words.stored.store(word_of(free), Ordering::Release);
    fence(Ordering::SeqCst);
    let synced = words.named(words.synced);
    let kept = words.kept_of(flushed, synced, words.named(words.spared));
    if kept.contains(&free) { take_asking_for_spared_last(words, newest, flushed) } else { (free, kept[0]) }
}

#[test]
#[should_panic(expected = "a power cut takes what a prune relied on")]
fn the_holder_asks_for_what_is_spared_first() {
    run_late(Steps { take: take_asking_for_spared_last, ..AS_IT_IS });
}

/// The holder is killed at this point, while a prune comes; the next prune must get on, and so must the next holder.
fn killed(steps: Steps, at: fn(&mut Holder)) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = STOPS;
    model.check(move || {
        let position = Arc::new(Position::new());
        let mut holder = Holder::new(&position, steps);
        let holding = thread::spawn(move || at(&mut holder));
        position.prune(steps);
        holding.join().unwrap();
        assert!(position.prune(steps), "a holder that was killed keeps a prune away");
        let mut holder = Holder::open(&position, steps);
        commit_twice(&mut holder);
        position.ledger.lock().unwrap().check();
    });
}

fn before_storing(holder: &mut Holder) {
    holder.commit();
    holder.take();
}

fn while_storing(holder: &mut Holder) {
    holder.commit();
    holder.take();
    holder.position.words().slots[holder.newest].checksum.store(0, Ordering::Release);
}

fn before_leaving(holder: &mut Holder) {
    holder.take();
    holder.store();
}

#[test]
fn a_prune_gets_on_whenever_a_holder_is_killed() {
    for at in [before_storing, while_storing, before_leaving] {
        killed(AS_IT_IS, at);
    }
}

#[test]
#[should_panic(expected = "a holder that was killed keeps a prune away")]
fn it_does_not_where_it_asks_for_the_slot_alone() {
    let spare: Spare = |words, found| {
        words.spared.store(found.0, Ordering::Release);
        fence(Ordering::SeqCst);
        words.stored.load(Ordering::Acquire) != word_of(found.2) && whole(words, found)
    };
    killed(Steps { spare, ..AS_IT_IS }, before_leaving);
}
