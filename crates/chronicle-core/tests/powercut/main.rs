//! `cargo test --features fault --test powercut`: see `simulator/mod.rs` for what is simulated, and what a disk is assumed to do.
//!
//! `CHRONICLE_POWER_IMAGES` says how many images are checked, `CHRONICLE_POWER_SEED` where the seeds start. A failure prints its
//! seed, and the command that repeats it.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its numbers are small"
)]

#[path = "../common/mod.rs"]
mod common;
mod simulator;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use simulator::run;

/// Some seconds' worth.
const IMAGES: u64 = 20_000;
/// Seeds that have found something once: an epoch of a segment that was set aside or of its END used again, a prune that relied on
/// positions that were not durable, removals that came to the disk in part, `control` named before the first segment.
const FINDS: &[u64] = &[1, 2, 8, 10, 12, 15, 36, 361];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs one seed after the other. Each failure names its seed. Returns how many images there were, and how many of killed processes.
fn seeds(first: u64, step: u64, images: u64) -> (u64, u64) {
    let root = common::memory();
    let (mut seed, mut counts) = (first, (0, 0));
    let mut told = Instant::now();
    while counts.0 < images {
        naming(seed, || {
            let one = run(root.path(), seed);
            counts.0 += one.images;
            counts.1 += one.kills;
        });
        seed += step;
        if told.elapsed() > Duration::from_secs(30) {
            eprintln!("{} images, at seed {seed}", counts.0);
            told = Instant::now();
        }
    }
    counts
}

fn naming(seed: u64, act: impl FnOnce()) {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
    if let Err(panic) = caught {
        eprintln!(
            "seed {seed} fails; again: CHRONICLE_POWER_SEED={seed} CHRONICLE_POWER_IMAGES=1 cargo test --features fault --test powercut"
        );
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn a_power_cut_at_any_moment_leaves_what_was_promised() {
    let first = number("CHRONICLE_POWER_SEED").unwrap_or(1);
    let images = number("CHRONICLE_POWER_IMAGES").unwrap_or(IMAGES);
    if let Some(step) = number("CHRONICLE_POWER_STEP") {
        let (images, kills) = seeds(first, step, images);
        return eprintln!(
            "{images} images from seed {first} in steps of {step}, {kills} of them of killed processes"
        );
    }
    // The recorder is one for a process, so more processors need more processes.
    let processes = if images == 1 { 1 } else { std::thread::available_parallelism().unwrap().get() as u64 };
    let start = |index: u64| {
        Command::new(std::env::current_exe().unwrap())
            .args(["a_power_cut_at_any_moment_leaves_what_was_promised", "--exact", "--nocapture"])
            .env("CHRONICLE_POWER_SEED", (first + index).to_string())
            .env("CHRONICLE_POWER_STEP", processes.to_string())
            .env("CHRONICLE_POWER_IMAGES", images.div_ceil(processes).to_string())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..processes).map(start).collect();
    let done: Vec<_> = children.into_iter().map(|mut child| child.wait().unwrap()).collect();
    assert!(done.iter().all(std::process::ExitStatus::success), "{done:?}");
}

#[test]
fn what_was_found_once_is_not_there_any_more() {
    let root = common::memory();
    for &seed in FINDS {
        naming(seed, || {
            run(root.path(), seed);
        });
    }
}
