//! A position is used by one, outlives the process, and keeps what a power cut must leave.

use super::*;
use crate::header::u64_at;

fn directory() -> (tempfile::TempDir, Directory) {
    let dir = tempfile::tempdir().unwrap();
    let directory = Directory::new(dir.path());
    (dir, directory)
}

fn open(directory: &Directory) -> Result<Position> {
    Position::open(directory, "billing", &[5; 16], 0o600, || Ok(3))
}

#[test]
fn a_position_is_kept_and_used_by_one() {
    let (_dir, directory) = directory();
    let mut position = open(&directory).unwrap();
    assert_eq!(position.next_seq(), 3);
    for seq in 4..10 {
        position.store(seq).unwrap();
        assert_eq!(read(&directory, "billing", &[5; 16]).unwrap().next_seq, seq);
    }
    let error = open(&directory).unwrap_err();
    assert_eq!((error.kind(), error.pid()), (ErrorKind::Locked, Some(std::process::id())));
    assert_eq!(remove(&directory, "billing").unwrap_err().kind(), ErrorKind::Locked);
    drop(position);
    assert_eq!(open(&directory).unwrap().next_seq(), 9);
    remove(&directory, "billing").unwrap();
    assert_eq!(open(&directory).unwrap().next_seq(), 3);
}

#[test]
fn a_spoilt_slot_leaves_the_one_before() {
    let (_dir, directory) = directory();
    let mut position = open(&directory).unwrap();
    position.store(4).unwrap();
    position.store(5).unwrap();
    drop(position);
    let path = directory.reader("billing");
    let good = fs::read(&path).unwrap();
    for at in SLOTS {
        let mut bytes = good.clone();
        bytes[at..at + 512].fill(0xAA);
        fs::write(&path, &bytes).unwrap();
        let expected = if u64_at(&good, at + 8) == 5 { 4 } else { 5 };
        assert_eq!(open(&directory).unwrap().next_seq(), expected);
    }
    let mut bytes = good;
    bytes[512..].fill(0);
    fs::write(&path, &bytes).unwrap();
    assert_eq!(open(&directory).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn a_generation_that_cannot_be_counted_on_from_is_refused() {
    let (_dir, directory) = directory();
    drop(open(&directory).unwrap());
    let path = directory.reader("billing");
    let mut bytes = fs::read(&path).unwrap();
    for (generation, kind) in [(1 << 63, None), ((1 << 63) + 1, Some(ErrorKind::Corrupt))] {
        bytes[SLOTS[1]..][..slot::LEN].copy_from_slice(&slot::slot_bytes(generation, 7));
        fs::write(&path, &bytes).unwrap();
        assert_eq!(read(&directory, "billing", &[5; 16]).err().map(|e| e.kind()), kind);
        assert_eq!(open(&directory).err().map(|e| e.kind()), kind);
    }
}

#[test]
fn the_slot_that_a_prune_relies_on_stays_until_it_relies_on_a_newer_one() {
    let (_dir, directory) = directory();
    let mut position = open(&directory).unwrap();
    let path = directory.reader("billing");
    for round in 1..5 {
        position.store(round * 10).unwrap();
        let (at, stored) = (SLOTS[position.newest], fs::read(&path).unwrap());
        sync(&directory, "billing", &[5; 16]).unwrap();
        for seq in 1..8 {
            position.store(round * 10 + seq).unwrap();
            assert_eq!(fs::read(&path).unwrap()[at..at + 512], stored[at..at + 512]);
            assert_eq!(read(&directory, "billing", &[5; 16]).unwrap().next_seq, round * 10 + seq);
        }
    }
}

#[test]
fn the_slot_that_a_prune_relies_on_stays_while_the_next_prune_flushes() {
    let (_dir, directory) = directory();
    let mut position = open(&directory).unwrap();
    let path = directory.reader("billing");
    for round in 1..5 {
        position.store(round * 100).unwrap();
        let (at, stored) = (SLOTS[position.newest], fs::read(&path).unwrap());
        sync(&directory, "billing", &[5; 16]).unwrap();
        for seq in 1..8 {
            position.store(round * 100 + seq).unwrap();
        }
        // Nothing but the slot of the first one is known to be on the disk until this one has flushed.
        slot::spare(&position.region, &path).unwrap();
        for seq in 10..18 {
            position.store(round * 100 + seq).unwrap();
            assert_eq!(fs::read(&path).unwrap()[at..at + 512], stored[at..at + 512], "round {round}");
        }
    }
}

#[test]
fn a_prune_may_rely_on_a_position_while_others_are_stored() {
    let (_dir, directory) = directory();
    let mut position = open(&directory).unwrap();
    let path = directory.reader("billing");
    let storing = std::thread::spawn(move || (4..400_000).for_each(|seq| position.store(seq).unwrap()));
    while !storing.is_finished() {
        sync(&directory, "billing", &[5; 16]).unwrap();
        for _ in 0..20 {
            let bytes = fs::read(&path).unwrap();
            let kept = u64_at(&bytes, 80);
            let slot = |at: usize| u64_at(&bytes, at) == kept && slot::whole(&bytes[at..]).is_some();
            assert!(SLOTS.into_iter().any(slot), "generation {kept} is gone");
        }
    }
    storing.join().unwrap();
}

#[test]
fn the_slot_that_is_on_the_disk_stays_until_a_newer_one_is() {
    let (_dir, directory) = directory();
    let mut position = open(&directory).unwrap();
    let path = directory.reader("billing");
    for round in 1..4 {
        let durable = fs::read(&path).unwrap();
        let at = SLOTS[position.newest];
        for seq in 0..5 {
            position.store(round * 10 + seq).unwrap();
            assert_eq!(fs::read(&path).unwrap()[at..at + 512], durable[at..at + 512]);
        }
        position.flush().unwrap();
    }
    assert_eq!(position.next_seq(), 34);
}

#[test]
fn a_prune_relies_on_what_a_holder_stored_that_was_killed_before_it_left() {
    let (_dir, directory) = directory();
    let mut position = open(&directory).unwrap();
    position.store(4).unwrap();
    // As `take` says it, and `leave` has not been reached.
    let newest = u8::try_from(position.newest).unwrap();
    drop(position);
    let path = directory.reader("billing");
    let mut bytes = fs::read(&path).unwrap();
    bytes[68] = newest + 1;
    fs::write(&path, &bytes).unwrap();
    sync(&directory, "billing", &[5; 16]).unwrap();
    assert_eq!(open(&directory).unwrap().next_seq(), 4);
}

#[test]
fn a_glance_says_what_a_look_does_or_nothing() {
    let (_dir, directory) = directory();
    let glance = || super::glance(&directory, "billing", &[5; 16]);
    assert_eq!(glance(), None);
    let mut position = open(&directory).unwrap();
    let sees = glance().is_some();
    assert_eq!(sees, cfg!(all(target_os = "linux", not(chronicle_portable))));
    for seq in 4..12 {
        position.store(seq).unwrap();
        assert_eq!(glance().filter(|_| sees), read(&directory, "billing", &[5; 16]).ok().filter(|_| sees));
        assert!(glance().is_none_or(|stored| stored.next_seq == seq && stored.pid.is_some()));
    }
    drop(position);
    assert_eq!(super::glance(&directory, "billing", &[6; 16]), None);
    let path = directory.reader("billing");
    let good = fs::read(&path).unwrap();
    for at in [0, 8, 12, IDENTITY_CHECKSUM] {
        let mut bytes = good.clone();
        bytes[at] ^= 0x80;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(glance(), None, "byte {at}");
    }
    for at in SLOTS {
        let mut bytes = good.clone();
        // A seq that nobody stored, under the checksum of another.
        bytes[at + 8] ^= 0x40;
        fs::write(&path, &bytes).unwrap();
        // As a slot that is being stored to: what is newest without it may have been older before the copy was made.
        assert_eq!(glance(), None, "slot at {at}");
        let newest = u64_at(&good, at + 8) == 11;
        assert_eq!(read(&directory, "billing", &[5; 16]).unwrap().next_seq, if newest { 10 } else { 11 });
    }
    let mut bytes = good.clone();
    bytes[512..].fill(0);
    for refused in [&bytes[..], &good[..POSITION_LEN - 1], &good[..100], &[]] {
        fs::write(&path, refused).unwrap();
        assert_eq!(glance(), None);
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(glance(), None);
}
