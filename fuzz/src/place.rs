//! The directory of one input, in memory where the runner says so by `TMPDIR`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A directory of this process that is not there yet.
pub fn fresh(name: &str) -> PathBuf {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    let root =
        ROOT.get_or_init(|| std::env::temp_dir().join(format!("chronicle-fuzz-{}", std::process::id())));
    let dir = root.join(name);
    if dir.exists() {
        fs::remove_dir_all(&dir).unwrap();
    }
    fs::create_dir_all(root).unwrap();
    dir
}

/// What a process that is killed now would leave: stores to mapped pages are in the files already.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            copy_file(&path, &target);
        }
    }
}

fn copy_file(from: &Path, to: &Path) {
    while let Err(e) = fs::copy(from, to) {
        match e.kind() {
            // By the clock of the fuzzer.
            ErrorKind::Interrupted => {}
            // The helper thread names its files anew meanwhile.
            ErrorKind::NotFound => break,
            _ => panic!("{e}"),
        }
    }
}

/// Makes a log look as if the machine had been switched off: no boot has this id.
pub fn reboot(dir: &Path) {
    let path = dir.join("control");
    let mut bytes = fs::read(&path).unwrap();
    bytes[320..336].fill(0xEE);
    fs::write(path, bytes).unwrap();
}
