//! Making a chronicle: under the writer lock, and `control` last, by rename.

use std::fs;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::blank::Blank;
use crate::control::{Control, Identity};
use crate::directory::{Directory, open_regular};
use crate::disk;
use crate::error::{Error, ErrorKind, Result};
use crate::layout::{DEFAULT_SEGMENT_BYTES, HEADER_LEN, SEGMENT_HEADER_LEN};
use crate::lock::WriterLock;
use crate::options::Options;
use crate::platform;
use crate::segment::next_size;

/// How long an opener waits for another one that is creating the chronicle.
const CREATION_WAIT: Duration = Duration::from_secs(10);
/// How often it looks whether the other one is done.
const CREATION_PAUSE: Duration = Duration::from_millis(20);

/// Makes the directory where the options say so.
pub(crate) fn ensure_directory(dir: &Path, options: &Options) -> Result<()> {
    match fs::metadata(dir) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(not_a_directory(dir)),
        Err(e) if e.kind() == io::ErrorKind::NotFound && options.create && !options.read_only => {
            let missing: Vec<&Path> = dir.ancestors().take_while(|path| !path.exists()).collect();
            disk::create_dir(dir, options.mode).map_err(|e| match e.kind() {
                // A link to nowhere.
                io::ErrorKind::AlreadyExists => not_a_directory(dir),
                _ => Error::io("create the directory", dir, &e),
            })?;
            missing.into_iter().try_for_each(sync_parent)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(not_found(dir)),
        Err(e) => Err(Error::io("look at the directory", dir, &e)),
    }
}

fn not_a_directory(dir: &Path) -> Error {
    Error::new(ErrorKind::NotAChronicle, "not a directory").at_path(dir)
}

fn not_found(dir: &Path) -> Error {
    Error::new(ErrorKind::NotFound, "there is no chronicle here").at_path(dir)
}

/// Refuses a file system where mapped memory is not coherent between hosts.
pub(crate) fn refuse_network_fs(dir: &Path) -> Result<()> {
    let found = platform::network_fs(dir).map_err(|e| Error::io("look at the file system", dir, &e))?;
    match found.or(crate::fault::planted("fs.network").then_some("NFS")) {
        None => Ok(()),
        Some(name) => {
            let message = format!(
                "{name} does not keep mapped memory coherent between hosts; allow_network_fs opens it all the same"
            );
            Err(Error::new(ErrorKind::NetworkFs, message).at_path(dir))
        }
    }
}

/// Creates what is missing, under the writer lock: the first segment, and `control` last, by rename.
pub(crate) fn create(directory: &Directory, options: &Options) -> Result<()> {
    if let Some(name) = directory.foreign()? {
        let message = format!("the directory holds {name:?}, which is no file of a chronicle");
        return Err(Error::new(ErrorKind::NotAChronicle, message).at_path(directory.path()));
    }
    let unfinished = check_unfinished(directory);
    if directory.control().exists() {
        // Another process has created the chronicle in between.
        return Ok(());
    }
    if options.read_only || !options.create {
        return Err(unfinished.err().unwrap_or_else(|| not_found(directory.path())));
    }
    let Some(_lock) = creation_lock(directory, options)? else { return Ok(()) };
    check_unfinished(directory)?;
    directory.remove_temporaries()?;
    for base in directory.segments()? {
        let path = directory.segment(base);
        disk::remove(&path).map_err(|e| Error::io("remove the unfinished segment", &path, &e))?;
    }
    let mut chronicle_id = [0; 16];
    getrandom::fill(&mut chronicle_id)
        .map_err(|e| Error::new(ErrorKind::Io, format!("cannot get random bytes: {e}")))?;
    let segment_bytes = options.segment_bytes.unwrap_or(DEFAULT_SEGMENT_BYTES);
    let blank = Blank::create(directory, next_size(None, segment_bytes, 0), options.mode)?;
    let segment = blank.name(directory, &chronicle_id, 0, 0, 0)?;
    crate::fault::point("create.segment");
    let synced = segment.file.as_ref().map_or(Ok(()), disk::sync);
    synced.map_err(|e| Error::io("sync the segment", &segment.path, &e))?;
    // The chronicle exists from the next step on, so the segment's name and the directory have to stay.
    directory.sync()?;
    sync_parent(directory.path())?;
    Control::create(directory, &Identity { chronicle_id, segment_bytes }, options.mode)?;
    crate::fault::point("create.control");
    directory.sync()
}

/// The writer lock, or none when another process has created the chronicle: that one may keep the lock as its writer.
fn creation_lock(directory: &Directory, options: &Options) -> Result<Option<WriterLock>> {
    let start = Instant::now();
    loop {
        let lock = WriterLock::acquire(directory, options.mode, CREATION_PAUSE, || None);
        if directory.control().exists() {
            return Ok(None);
        }
        match lock {
            Err(e) if e.kind() == ErrorKind::Locked && start.elapsed() < CREATION_WAIT => {}
            other => return other.map(Some),
        }
    }
}

/// An interrupted creation leaves at most the first segment, and no message in it. Anything else has lost its control file.
fn check_unfinished(directory: &Directory) -> Result<()> {
    let lost = || {
        let message = "the control file is missing although there are segments";
        Err(Error::new(ErrorKind::Corrupt, message).at_path(&directory.control()))
    };
    match directory.segments()?[..] {
        [] => Ok(()),
        [0] => {
            let path = directory.segment(0);
            let mut first = Vec::new();
            let mut file = open_regular(&path, false)?;
            file.seek(io::SeekFrom::Start(SEGMENT_HEADER_LEN as u64))
                .and_then(|_| file.take(HEADER_LEN as u64).read_to_end(&mut first))
                .map_err(|e| Error::io("read the segment", &path, &e))?;
            if first.iter().any(|&b| b != 0) { lost() } else { Ok(()) }
        }
        _ => lost(),
    }
}

fn sync_parent(dir: &Path) -> Result<()> {
    let parent = dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A parent that may not be read cannot be synced, and need not be: its entry is older than this call then.
    match disk::sync_dir(parent) {
        Err(e) if e.kind() != io::ErrorKind::PermissionDenied => {
            Err(Error::io("sync the directory", parent, &e))
        }
        _ => Ok(()),
    }
}
