//! The harnesses find faults: each one that can be planted in the core makes the power-cut simulator fail.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking, and its numbers are small"
)]

mod common;
#[path = "powercut/simulator/mod.rs"]
mod simulator;

use std::process::{Command, Stdio};

use chronicle_core::{Chronicle, ErrorKind, Options};
use common::BOOTS_ARE_KNOWN;

const PLANT: &str = "CHRONICLE_PLANT";
/// With so many images each fault is found, whatever its seeds are.
const IMAGES: u64 = 3000;

const FAULTS: &[&str] = &[
    // Recovery leaves the bytes that it cuts.
    "zero.skipped",
    // A flush leaves out the segments that are sealed.
    "sealed.unflushed",
    // The durable point is told before the flush.
    "durable.early",
    // A message may take the place of END.
    "end.unkept",
    // Names are not flushed.
    "names.unsynced",
    // A writer uses the epoch of the one before.
    "epoch.kept",
    // A prune removes files before the word that says so is durable.
    "prune.unannounced",
    // A larger segment takes the name of an empty one before its header is durable.
    "replace.unflushed",
    // The position of a reader is not flushed.
    "position.unflushed",
];

/// Faults that do harm only where a killed process is told from a power cut: elsewhere recovery cuts what they leave.
const FAULTS_IN_ONE_BOOT: &[&str] = &[
    // The commit word is stored before the payload.
    "publish.early",
    // The first message of a batch is published before the others.
    "batch.forward",
];

/// The entry of child processes: the simulator in a process with a fault.
#[test]
fn the_simulator_runs() {
    if std::env::var_os(PLANT).is_none() {
        return;
    }
    let root = common::memory();
    let (mut seed, mut images) = (1, 0);
    while images < IMAGES {
        images += simulator::run(root.path(), seed).images;
        seed += 1;
    }
}

#[test]
fn every_planted_fault_is_found() {
    let passes = |fault: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["the_simulator_runs", "--exact"]).env(PLANT, fault).env("RUST_BACKTRACE", "0");
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    };
    assert!(passes("none"), "the simulator fails without a fault");
    let in_one_boot = if BOOTS_ARE_KNOWN { FAULTS_IN_ONE_BOOT } else { &[] };
    let missed: Vec<&&str> = FAULTS.iter().chain(in_one_boot).filter(|fault| passes(fault)).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}

/// Run again in a process that takes its file system for one of the network.
#[test]
fn a_network_file_system_is_refused_unless_allowed() {
    const FOUND: &str = "fs.network";
    if std::env::var(PLANT).as_deref() != Ok(FOUND) {
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["a_network_file_system_is_refused_unless_allowed", "--exact"]).env(PLANT, FOUND);
        assert!(again.status().unwrap().success());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let error = Chronicle::open(dir.path(), &Options::default()).unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::NetworkFs, Some(dir.path())));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    Chronicle::open(dir.path(), &Options { allow_network_fs: true, ..Options::default() }).unwrap();
    assert_eq!(Chronicle::open(dir.path(), &Options::default()).unwrap_err().kind(), ErrorKind::NetworkFs);
}
