//! Whatever stands under a name that the log uses: an error by its own kind or none, in time, and nothing behind a link is touched.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::Duration;

use chronicle_core::{Chronicle, Entry, ErrorKind, From, Options, Result, Retention, repair, verify};
use common::{open, options, payload, read_all, writer};

/// Only what hangs takes so long.
const PATIENCE: Duration = Duration::from_secs(120);
const MESSAGES: usize = 150;
/// Behind every link.
const ELSEWHERE: &[u8] = b"somebody else's";

const KINDS: [&str; 6] = ["link", "dangling link", "fifo", "directory", "socket", "device"];

/// Files that the log cannot do without.
const NEEDED: [&str; 3] = ["control", "00000000000000000000.seg", "readers/billing"];
const OTHERS: [&str; 10] = [
    "writer.lock",
    "prune.lock",
    "00000000000000000000.idx",
    "control.tmp",
    "next.seg.tmp",
    "next.idx.tmp",
    "readers/.0123456789abcdef.tmp",
    "quarantine",
    "readers",
    "00000000000000000777.seg",
];

/// A log of several segments with a named reader, next to a file that links may point to.
fn log() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("log");
    let log = open(&dir);
    let mut writer = writer(&log);
    for seq in 0..MESSAGES as u64 {
        writer.append(&payload(seq, 1000), 0).unwrap();
    }
    writer.durability().sync().unwrap();
    log.set_reader("billing", 0).unwrap();
    fs::write(root.path().join("elsewhere"), ELSEWHERE).unwrap();
    (root, dir)
}

/// Puts something else under a name. False where this user may not make it.
fn put(kind: &str, path: &Path, root: &Path) -> bool {
    match kind {
        "link" => symlink(root.join("elsewhere"), path).unwrap(),
        "dangling link" => symlink(root.join("nowhere"), path).unwrap(),
        "fifo" => assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
        "directory" => {
            fs::create_dir(path).unwrap();
            fs::write(path.join("inside"), b"x").unwrap();
        }
        "socket" => drop(UnixListener::bind(path).unwrap()),
        // The zeros of Linux, which never end.
        _ => return Command::new("mknod").arg(path).args(["c", "1", "5"]).output().unwrap().status.success(),
    }
    true
}

fn remove(path: &Path) {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

type Task = fn(&Path) -> Result<()>;

/// All that a process may do with a log.
const TASKS: [(&str, Task); 8] = [
    ("read", |dir| Chronicle::open(dir, &read_only()).and_then(|log| read_all(&log)).map(|_| ())),
    ("write", |dir| {
        let log = Chronicle::open(dir, &options())?;
        let mut writer = log.writer(Duration::ZERO)?;
        for _ in 0..70 {
            writer.append(&payload(0, 1000), 0)?;
        }
        writer.durability().sync().map(|_| ())
    }),
    ("name", |dir| {
        let log = Chronicle::open(dir, &options())?;
        let mut reader = log.named_reader("billing", From::Start)?;
        reader.poll(&mut [0; 4096], &mut [Entry::default(); 2])?;
        reader.commit(0)?;
        reader.flush_position()
    }),
    ("other name", |dir| Chronicle::open(dir, &options())?.named_reader("new", From::Start).map(|_| ())),
    ("stats", |dir| Chronicle::open(dir, &read_only())?.stats().map(|_| ())),
    ("verify", |dir| verify(dir, |_, _| ()).map(|_| ())),
    ("prune", |dir| {
        let retention = Retention { keep_messages: Some(10_000), ..Retention::default() };
        Chronicle::open(dir, &options())?.prune(&retention, false).map(|_| ())
    }),
    ("repair", |dir| repair(dir).map(|_| ())),
];

fn read_only() -> Options {
    Options { read_only: true, create: false, ..options() }
}

/// Does a task in time and returns how it ended.
fn in_time(task: Task, dir: &Path) -> Option<ErrorKind> {
    let (done, waits) = channel();
    let dir = dir.to_owned();
    std::thread::spawn(move || done.send(task(&dir).err().map(|e| e.kind())));
    waits.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("a task hangs or has panicked"))
}

/// Puts each kind under the name, does each task, takes it away again and looks that nothing was lost. `expected` judges.
fn try_all(names: &[&str], expected: impl Fn(&str, &str, &str, Option<ErrorKind>)) {
    for name in names {
        for kind in KINDS {
            let (root, dir) = log();
            let (path, aside) = (dir.join(name), root.path().join("aside"));
            let there = fs::rename(&path, &aside).is_ok();
            if !put(kind, &path, root.path()) {
                continue;
            }
            for (task, call) in TASKS {
                expected(name, kind, task, in_time(call, &dir));
                assert_eq!(
                    fs::read(root.path().join("elsewhere")).unwrap(),
                    ELSEWHERE,
                    "{name} {kind} {task}"
                );
                assert!(!root.path().join("nowhere").exists(), "{name} {kind} {task}");
            }
            remove(&path);
            if there {
                fs::rename(&aside, &path).unwrap();
            }
            let messages = read_all(&open(&dir)).unwrap();
            assert!(messages.len() >= MESSAGES, "{name} {kind}: {}", messages.len());
        }
    }
}

#[test]
fn what_stands_in_the_place_of_a_file_that_is_needed_is_refused() {
    try_all(&NEEDED, |name, kind, task, ended| {
        let concerned = match name {
            "readers/billing" => matches!(task, "name" | "prune" | "repair"),
            // Who writes begins at the last segment, which is sound. What `verify` finds stands in its report.
            "00000000000000000000.seg" => matches!(task, "read" | "name" | "other name" | "repair"),
            _ => true,
        };
        let refused = ended == Some(ErrorKind::NotAFile);
        assert_eq!(refused, concerned, "{name} is a {kind}, {task}: {ended:?}");
    });
}

#[test]
fn what_stands_under_the_other_names_is_refused_or_passed_over() {
    try_all(&OTHERS, |name, kind, task, ended| {
        let concerned = match (name, task) {
            // Where boots are not known, what lies behind the end is set aside as after a power cut.
            ("00000000000000000777.seg", "write" | "repair") if cfg!(chronicle_portable) => {
                let known = matches!(ended, None | Some(ErrorKind::NotAFile | ErrorKind::NotAChronicle));
                assert!(known, "{kind} {task}: {ended:?}");
                return;
            }
            ("writer.lock" | "00000000000000000777.seg", "write" | "repair") | ("prune.lock", "prune") => {
                true
            }
            // Files and links under these names are removed.
            (_, "write" | "repair")
                if Path::new(name).extension().is_some_and(|extension| extension == "tmp") =>
            {
                kind == "directory"
            }
            ("00000000000000000000.idx", "repair") => kind == "directory",
            ("readers", _) => {
                // What is in such a directory is a reader with a damaged position.
                assert!(ended.is_none() || task != "read", "{kind} {task}: {ended:?}");
                return;
            }
            _ => false,
        };
        let expected = concerned.then_some(ErrorKind::NotAFile);
        assert_eq!(ended, expected, "{name} is a {kind}, {task}");
    });
}

#[test]
fn a_log_is_not_made_where_something_else_stands() {
    for kind in KINDS {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("elsewhere"), ELSEWHERE).unwrap();
        let path = root.path().join("log");
        if !put(kind, &path, root.path()) {
            continue;
        }
        let ended = in_time(|dir| Chronicle::open(dir, &options()).map(|_| ()), &path);
        assert_eq!(ended, Some(ErrorKind::NotAChronicle), "{kind}");
        assert_eq!(fs::read(root.path().join("elsewhere")).unwrap(), ELSEWHERE);
        assert!(!root.path().join("nowhere").exists());
    }
}
