//! A fixed number of appends and polls, for `scripts/check-instructions.mjs` to count the instructions of.
#![allow(clippy::unwrap_used, reason = "it ends by panicking")]

use std::time::Duration;

use chronicle_core::{Chronicle, Entry, From, Options, SyncMode};

/// Appends the first argument's number of messages of 64 bytes, and walks them as often as the second says.
fn main() {
    // `cargo test` and `cargo bench` start it with arguments of their own, or none: it does a little then.
    let mut arguments = std::env::args().skip(1).map_while(|argument| argument.parse::<u64>().ok());
    let (appends, walks) = (arguments.next().unwrap_or(10), arguments.next().unwrap_or(1));
    let dir = tempfile::tempdir().unwrap();
    let options = Options { sync: SyncMode::None, ..Options::default() };
    let log = Chronicle::open(dir.path(), &options).unwrap();
    let mut writer = log.writer(Duration::ZERO).unwrap();
    for seq in 0..appends {
        assert_eq!(writer.append(&[7; 64], 1).unwrap(), seq);
    }
    let (mut slab, mut entries) = (vec![0; 64 << 10], vec![Entry::default(); 1024]);
    for _ in 0..walks {
        let mut reader = log.reader(From::Start).unwrap();
        let mut read = 0;
        while read < appends {
            read += reader.poll(&mut slab, &mut entries).unwrap().count as u64;
        }
    }
}
