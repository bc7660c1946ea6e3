//! One way of writing or reading messages, measured as `bench/` measures its contenders: picoseconds a message, as JSON.
#![allow(clippy::unwrap_used, reason = "it ends by panicking")]
#![expect(unsafe_code, reason = "the floor stores to a mapping")]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use chronicle_core::{
    Chronicle, Entry, From, HEADER_LEN, MessageHeader, Options, Reader, SyncMode, VALID, crc32,
};
use memmap2::MmapMut;

/// As in `bench/measure.ts` and `bench/parts/append.ts`.
const WARMING: usize = 3;
const MOST: usize = WARMING + 20;
const BUDGET: Duration = Duration::from_millis(300);

/// `append`, `floor` or `poll`, the bytes of a payload, how many there are, and an empty folder.
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test` starts it with none, and `cargo bench` puts one behind them: without the four it does nothing.
    let [way, size, count, dir, ..] = arguments.as_slice() else { return };
    let (size, count): (usize, usize) = (size.parse().unwrap(), count.parse().unwrap());
    let block = payloads(size * count);
    let payloads: Vec<&[u8]> = block.chunks_exact(size).collect();
    let ps = match way.as_str() {
        "append" => append(&payloads, Path::new(dir)),
        "floor" => floor(&payloads, Path::new(dir)),
        "poll" => poll(&payloads, Path::new(dir)),
        _ => panic!("there is no way {way}"),
    };
    println!("{{\"ps\":{ps}}}");
}

/// As `makePayloads` in `bench/payloads.ts`.
fn payloads(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32.cast_signed();
    let next = || {
        state ^= state << 13;
        state ^= (state.cast_unsigned() >> 17).cast_signed();
        state ^= state << 5;
        0x30 + u8::try_from(state & 0x3f).unwrap()
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// The median of the passes that count, in picoseconds a message; and how many passes there were.
fn timed(count: usize, mut pass: impl FnMut()) -> (u128, usize) {
    let (mut times, start) = (Vec::new(), Instant::now());
    while times.len() <= WARMING || (times.len() < MOST && start.elapsed() < BUDGET) {
        let begun = Instant::now();
        pass();
        times.push(begun.elapsed().as_nanos() * 1000 / count as u128);
    }
    let passes = times.len();
    let counted = &mut times[WARMING..];
    counted.sort_unstable();
    (counted[counted.len() / 2], passes)
}

fn open(dir: &Path) -> Chronicle {
    Chronicle::open(dir, &Options { sync: SyncMode::None, ..Options::default() }).unwrap()
}

fn append(payloads: &[&[u8]], dir: &Path) -> u128 {
    let log = open(dir);
    let mut writer = log.writer(Duration::ZERO).unwrap();
    let (ps, passes) = timed(payloads.len(), || {
        for payload in payloads {
            black_box(writer.append(payload, 1).unwrap());
        }
    });
    let mut wanted = payloads.iter().cycle().take(passes * payloads.len());
    walk(&mut log.reader(From::Start).unwrap(), |payload| assert_eq!(payload, *wanted.next().unwrap()));
    assert!(wanted.next().is_none(), "messages are missing");
    ps
}

/// What no log that checks can do without: both checksums, and a copy of header and payload into a mapping whose pages are there.
fn floor(payloads: &[&[u8]], dir: &Path) -> u128 {
    let record = HEADER_LEN + payloads[0].len().next_multiple_of(64);
    let file =
        std::fs::File::options().read(true).write(true).create_new(true).open(dir.join("floor")).unwrap();
    file.set_len((MOST * payloads.len() * record) as u64).unwrap();
    // SAFETY: the file is in a folder of this process alone.
    let mut map = unsafe { MmapMut::map_mut(&file) }.unwrap();
    #[cfg(target_os = "linux")]
    for advice in [memmap2::Advice::HugePage, memmap2::Advice::PopulateWrite] {
        map.advise(advice).unwrap();
    }
    let mut records = map.chunks_exact_mut(record);
    let mut seq = 0;
    let (ps, _) = timed(payloads.len(), || {
        for payload in payloads {
            let header = MessageHeader {
                seq,
                length: u32::try_from(payload.len()).unwrap(),
                checksum: crc32(payload),
                flags: VALID,
                ..MessageHeader::default()
            };
            let record = records.next().unwrap();
            record[..HEADER_LEN].copy_from_slice(&header.to_bytes());
            record[HEADER_LEN..HEADER_LEN + payload.len()].copy_from_slice(payload);
            seq += 1;
        }
    });
    ps
}

fn poll(payloads: &[&[u8]], dir: &Path) -> u128 {
    let log = open(dir);
    let mut writer = log.writer(Duration::ZERO).unwrap();
    for payload in payloads {
        writer.append(payload, 1).unwrap();
    }
    let sum = |payload: &[u8]| u64::from(payload[0]) + payload.len() as u64;
    let wanted: u64 = payloads.iter().map(|payload| sum(payload)).sum();
    let (ps, _) = timed(payloads.len(), || {
        let mut found = 0;
        walk(&mut log.reader(From::Start).unwrap(), |payload| found += sum(payload));
        assert_eq!(found, wanted, "wrong answer");
    });
    ps
}

fn walk(reader: &mut Reader, mut see: impl FnMut(&[u8])) {
    let (mut slab, mut entries) = (vec![0; 64 << 10], vec![Entry::default(); 1024]);
    loop {
        let run = reader.poll(&mut slab, &mut entries).unwrap();
        if run.count == 0 {
            return;
        }
        for entry in &entries[..run.count] {
            see(&slab[entry.offset as usize..][..entry.length as usize]);
        }
    }
}
