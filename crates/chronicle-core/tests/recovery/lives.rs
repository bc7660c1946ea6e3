//! What earlier lives of the log have left: stale records, used epochs, parts of batches.

use super::*;

#[test]
fn stale_records_of_an_earlier_life_never_come_back() {
    // The first life wrote 50, the second cut at 20 and wrote up to 30; then the old bytes behind come back.
    let (dir, log) = log_of(50, 10);
    let (path, _) = find(dir.path(), 20);
    let first_life = fs::read(&path).unwrap();
    tear(dir.path(), 20, TEARS[4].1);
    reboot(dir.path());
    recover(&log);
    append(&log, 10);
    let stale = (HEADER + 30 * RECORD) as usize;
    patch(&path, stale as u64, |bytes| bytes.copy_from_slice(&first_life[stale..]));
    assert_eq!(records(&path).len(), 50, "the stale records fit in the chain of seqs");
    reboot(dir.path());
    let report = recover(&log);
    assert_eq!(report.cut_at, Some(stale as u64));
    assert!(zeros_from(&path, stale as u64));
    goes_on(&log, 30);
}

#[test]
fn a_stale_segment_of_an_earlier_life_is_set_aside_whole() {
    let (dir, log) = log_of(120, 10);
    let paths = segments(dir.path());
    let first_life = fs::read(&paths[1]).unwrap();
    tear(dir.path(), 20, TEARS[4].1);
    reboot(dir.path());
    recover(&log);
    append(&log, 50);
    assert_eq!(segments(dir.path()), paths[..2]);
    // The second life's segment loses its name, and the first life's has it again.
    fs::write(&paths[1], &first_life).unwrap();
    patch(&dir.path().join("control"), DURABLE, |bytes| bytes[..128].fill(0));
    reboot(dir.path());
    let mut reader = log.reader(From::Start).unwrap();
    let report = recover(&log);
    assert!(report.finished_roll);
    assert!(quarantined(dir.path()).iter().any(|(_, bytes)| *bytes == first_life));
    assert_eq!(drain(&mut reader).unwrap().len() as u64, PER_SEGMENT);
    goes_on(&log, PER_SEGMENT);
    assert_eq!(drain(&mut reader).unwrap().len(), 120);
}

#[test]
fn an_epoch_that_was_cut_is_not_used_again() {
    let (dir, log) = log_of(50, 20);
    let cut = records(&segments(dir.path())[0])[40].1.epoch;
    assert_eq!(cut, 3);
    tear(dir.path(), 20, TEARS[4].1);
    reboot(dir.path());
    recover(&log);
    assert_eq!(log.stats().unwrap().epoch, cut + 1);
    append(&log, 10);
    assert!(records(&segments(dir.path())[0])[25].1.epoch > cut);
}

#[test]
fn an_incomplete_batch_is_dropped_whole() {
    for lost in 0..5 {
        let (dir, log) = log_of(30, 30);
        let items = [BatchItem { length: LEN as u32, type_id: 0 }; 5];
        let bytes: Vec<u8> = (30..35).flat_map(|seq| payload(seq, LEN)).collect();
        let mut writer = writer(&log);
        writer.append_batch(&bytes, &items, None).unwrap();
        writer.append(&payload(35, LEN), 0).unwrap();
        drop(writer);
        tear(dir.path(), 30 + lost, TEARS[0].1);
        reboot(dir.path());
        let report = recover(&log);
        assert_eq!(report.dropped_batch_messages, lost);
        assert_eq!(report.cut_at, Some(HEADER + 30 * RECORD));
        assert_eq!(quarantined(dir.path()).len(), 1);
        goes_on(&log, 30);
    }
}
