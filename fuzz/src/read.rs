//! Reading a log to its end, and the kinds of errors that files may lead to.

use chronicle_core::{Entry, Error, ErrorKind, Reader, Result};

/// A message as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub seq: u64,
    pub type_id: u32,
    pub batch_remaining: u32,
    pub timestamp_ns: u64,
    pub payload: Vec<u8>,
}

#[derive(Clone, Copy)]
pub enum Way {
    Forward,
    Backward,
}

/// Everything that a reader gets, and the error that it ends with. `slab` and `entries` are what a poll gets at first.
pub fn drain(reader: &mut Reader, way: Way, slab: usize, entries: usize) -> (Vec<Message>, Result<()>) {
    let (mut messages, mut slab) = (Vec::new(), vec![0; slab]);
    let mut entries = vec![Entry::default(); entries.max(1)];
    loop {
        let run = match way {
            Way::Forward => reader.poll(&mut slab, &mut entries),
            Way::Backward => reader.poll_back(&mut slab, &mut entries),
        };
        let run = match run {
            Err(e) => return (messages, Err(e)),
            Ok(run) => run,
        };
        if run.need > 0 {
            slab.resize(run.need, 0);
        } else if run.count == 0 {
            return (messages, Ok(()));
        }
        messages.extend(entries[..run.count].iter().map(|entry| Message {
            seq: entry.seq,
            type_id: entry.type_id,
            batch_remaining: entry.batch_remaining,
            timestamp_ns: entry.timestamp_ns,
            payload: slab[entry.offset as usize..][..entry.length as usize].to_vec(),
        }));
    }
}

/// Bytes of files lead to errors about files and to no others.
pub fn check(error: &Error) {
    use ErrorKind::{
        BadMagic, Corrupt, EmptyFile, Gap, MissingSegment, NotAChronicle, NotFound, OutOfBounds, ReadOnly,
        SeqExhausted, Truncated, UnsupportedFeature, UnsupportedVersion,
    };
    let known = [
        BadMagic,
        Corrupt,
        EmptyFile,
        Gap,
        MissingSegment,
        NotAChronicle,
        NotFound,
        OutOfBounds,
        ReadOnly,
        SeqExhausted,
        Truncated,
        UnsupportedFeature,
        UnsupportedVersion,
    ];
    assert!(known.contains(&error.kind()), "{error:?}");
}

/// The value, or none with an error that was looked at.
pub fn checked<T>(result: Result<T>) -> Option<T> {
    result.inspect_err(check).ok()
}
