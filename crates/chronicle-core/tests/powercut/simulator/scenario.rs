//! One seed: lives of a log, each begun from what a power cut has left of the one before, and every image of each checked.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;

use chronicle_core::fault;

use super::check::{Found, check};
use super::dice::Dice;
use super::life::Life;
use super::model::{Extras, Promises, ReaderPromise};
use super::recorder::{Cut, LOG, Watch};

/// How many images were checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub images: u64,
    /// Those of processes that died, among them.
    pub kills: u64,
}

/// Runs the scenario of this seed in `root`, and panics when an image does not hold what was promised.
pub fn run(root: &Path, seed: u64) -> Counts {
    let mut dice = Dice::new(seed);
    let (disk, scratch) = (root.join("disk"), root.join("scratch"));
    let (mut counts, mut written) = (Counts::default(), Vec::new());
    let mut promises = Promises { unread_kept: true, ..Promises::default() };
    let mut base: Option<Cut> = None;
    // Not by the dice: seeds that have found something go on as they did.
    let extras = Extras { repair: seed % 5 == 4, flusher: seed % 7 == 6 };
    for number in 0..4 {
        match &base {
            Some(cut) => cut.image.write(&disk),
            None => super::disk::Image::default().write(&disk),
        }
        let watch = Arc::new(Watch::start(&disk, dice.next(), dice.pick(&[2, 5, 10]), promises));
        let life_seed = dice.next();
        fault::record(Some(Arc::clone(&watch) as Arc<dyn fault::Recorder>));
        let lived = catch_unwind(AssertUnwindSafe(|| {
            Life::new(&watch, &disk.join(LOG), life_seed, &mut written, extras).run();
        }));
        fault::record(None);
        if let Err(panic) = lived {
            eprintln!("life {number}");
            resume_unwind(panic);
        }
        let cuts = watch.take();
        let mut powercuts = Vec::new();
        for (index, cut) in cuts.iter().enumerate() {
            cut.image.write(&scratch);
            let checked =
                catch_unwind(AssertUnwindSafe(|| check(&scratch.join(LOG), cut, &written, &mut dice)));
            let found = checked.unwrap_or_else(|panic| {
                let what = if cut.image.same_boot { "the end of the processes" } else { "a power cut" };
                eprintln!("life {number}, image {index}: {what} {}", cut.when);
                eprintln!("{:?}", cut.promises);
                if std::env::var_os("CHRONICLE_PLANT").is_none() {
                    // Where harnesses keep what they find: the root goes with the panic.
                    let kept = std::env::temp_dir().join(format!("chronicle-torture-powercut-{seed}"));
                    cut.image.write(&kept);
                    eprintln!("kept in {}", kept.display());
                }
                resume_unwind(panic);
            });
            counts.images += 1;
            counts.kills += u64::from(cut.image.same_boot);
            // A damaged log that no repair has seen may be opened and not be refused: the damage is met by who reads it.
            if !cut.image.same_boot && cut.promises.damaged.is_none() {
                powercuts.push((index, found));
            }
        }
        let Some((index, found)) = powercuts.pop_at(&mut dice) else { return counts };
        promises = promised(&found, cuts[index].promises.unread_kept);
        written.truncate(promises.appended);
        base = cuts.into_iter().nth(index);
    }
    counts
}

trait PopAt<T> {
    fn pop_at(&mut self, dice: &mut Dice) -> Option<T>;
}

impl<T> PopAt<T> for Vec<T> {
    fn pop_at(&mut self, dice: &mut Dice) -> Option<T> {
        if self.is_empty() { None } else { Some(self.swap_remove(dice.index(self.len()))) }
    }
}

/// What a recovery has found once, each further one finds, whatever has interrupted the first.
fn promised(found: &Found, unread_kept: bool) -> Promises {
    let end = found.next_seq as usize;
    let readers = found.readers.iter().map(|(name, next_seq)| {
        let at = Some(*next_seq);
        (name.clone(), ReaderPromise { durable: at, stored: at, most: *next_seq, leaving: false })
    });
    Promises {
        created: false,
        begun: end,
        appended: end,
        durable: end,
        pruned: found.first_seq,
        kept: found.first_seq,
        unread_kept,
        readers: readers.collect(),
        damaged: None,
    }
}
