//! Where bytes go that recovery cuts from the log and that may be worth a look: nothing valid is ever thrown away.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::directory::{Directory, create_new, open_regular, rename};
use crate::disk;
use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::header::{COMMIT_VALID, COMMIT_WORD, MessageHeader};
use crate::layout::HEADER_LEN;
use crate::record::Place;
use crate::segment::Segment;

/// Whether a valid record stands anywhere behind `place`.
#[expect(clippy::cast_possible_truncation, reason = "offsets inside of a mapping are a usize")]
pub(crate) fn holds_records(segment: &Segment, place: &Place) -> bool {
    let region = &segment.region;
    let mut places = (place.offset as usize..region.len()).step_by(HEADER_LEN);
    places.any(|offset| {
        crate::wait::published(region.word32(offset + COMMIT_WORD)) & COMMIT_VALID != 0
            && MessageHeader::from_bytes(&region.header_bytes(offset))
                .is_ok_and(|header| header.seq >= place.seq)
    })
}

/// Copies the bytes behind `place` up to the last that is not zero, and makes the copy durable.
pub(crate) fn copy_tail(
    directory: &Directory,
    segment: &Segment,
    place: &Place,
    mode: u32,
) -> Result<PathBuf> {
    ensure(directory, mode)?;
    let (file, path) =
        fresh(directory, &format!("{:020}.{}.cut", segment.header.base_seq, place.offset), mode)?;
    keep(directory, path, |path| {
        write_tail(segment, place, &file)
            .and_then(|()| disk::sync(&file))
            .map_err(|e| Error::io("copy the cut bytes", path, &e))
            .and_then(|()| segment.intact())
    })
}

#[expect(clippy::cast_possible_truncation, reason = "offsets inside of a mapping are a usize")]
fn write_tail(segment: &Segment, place: &Place, file: &File) -> io::Result<()> {
    if fault::planted("quarantine.skipped") {
        return Ok(());
    }
    let mut offset = place.offset as usize;
    let mut buffer = vec![0; 1 << 20];
    let end = data_end(segment, offset, &mut buffer);
    while offset < end {
        let step = buffer.len().min(end - offset);
        segment.region.copy_out(offset, &mut buffer[..step]);
        disk::write(file, &buffer[..step])?;
        offset += step;
    }
    Ok(())
}

/// Fills a new file and makes its name durable. What fails leaves nothing: each try would take room on a full disk.
fn keep(directory: &Directory, path: PathBuf, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    if let Err(e) = fill(&path) {
        let _ = disk::remove(&path);
        return Err(e);
    }
    sync(directory)?;
    Ok(path)
}

/// Moves a whole segment away.
pub(crate) fn move_segment(directory: &Directory, base: u64, mode: u32) -> Result<PathBuf> {
    ensure(directory, mode)?;
    let (_placeholder, path) = fresh(directory, &format!("{base:020}.seg"), mode)?;
    keep(directory, path, |path| rename(&directory.segment(base), path))
}

/// Copies a whole file that is about to be changed or removed.
pub(crate) fn copy_file(directory: &Directory, source: &Path, mode: u32) -> Result<PathBuf> {
    ensure(directory, mode)?;
    let name = source.file_name().unwrap_or_default().to_string_lossy();
    let (copy, path) = fresh(directory, &name, mode)?;
    keep(directory, path, |path| {
        if fault::planted("quarantine.skipped") {
            return Ok(());
        }
        let mut file = open_regular(source, false)?;
        disk::copy(&mut file, &copy)
            .and_then(|()| disk::sync(&copy))
            .map_err(|e| Error::io("copy the damaged file", path, &e))
    })
}

/// The offset behind the last byte from `from` on that is not zero.
fn data_end(segment: &Segment, from: usize, buffer: &mut [u8]) -> usize {
    let mut end = segment.region.len();
    while end > from {
        let step = buffer.len().min(end - from);
        segment.region.copy_out(end - step, &mut buffer[..step]);
        if let Some(last) = buffer[..step].iter().rposition(|&b| b != 0) {
            return end - step + last + 1;
        }
        end -= step;
    }
    end
}

fn ensure(directory: &Directory, mode: u32) -> Result<()> {
    let path = directory.quarantine();
    disk::create_dir(&path, mode).map_err(|e| Error::io("create the directory", &path, &e))
}

/// Creates a file that does not exist yet: what is in the quarantine already is never written over.
fn fresh(directory: &Directory, name: &str, mode: u32) -> Result<(File, PathBuf)> {
    let mut path = directory.quarantine().join(name);
    let mut copy = 1;
    loop {
        match create_new(&path, mode) {
            Err(e) if e.kind() == ErrorKind::InvalidArgument => {
                copy += 1;
                path = directory.quarantine().join(format!("{name}.{copy}"));
            }
            other => return other.map(|file| (file, path)),
        }
    }
}

fn sync(directory: &Directory) -> Result<()> {
    let path = directory.quarantine();
    disk::sync_dir(&path).map_err(|e| Error::io("sync the directory", &path, &e))?;
    // The quarantine itself may be new.
    directory.sync()
}
