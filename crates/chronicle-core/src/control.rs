//! The `control` file: who the chronicle is, and the words that its processes share.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use crate::checksum::crc32;
use crate::clock;
use crate::directory::{Directory, create_new, open_regular, rename};
use crate::disk;
use crate::error::{Error, ErrorKind, Result};
use crate::header::{u32_at, u64_at};
use crate::layout::{CONTROL_LEN, MAX_SEGMENT_BYTES, MIN_SEGMENT_BYTES, SEGMENT_ALIGN};
use crate::platform::{self, BootId};
use crate::preamble::{self, ChronicleId, PREAMBLE_LEN};
use crate::region::{self, Region};
use crate::slots::Slots;
use crate::sync::Ordering;
use crate::wait;

pub(crate) const MAGIC: [u8; 8] = *b"CHRONCTL";

// The identity: written once, covered by its checksum.
const CREATED_NS: usize = PREAMBLE_LEN;
const SEGMENT_BYTES: usize = CREATED_NS + 8;
const IDENTITY_RESERVED: usize = SEGMENT_BYTES + 8;
const IDENTITY_CHECKSUM: usize = IDENTITY_RESERVED + 4;
const IDENTITY_LEN: usize = IDENTITY_CHECKSUM + 4;
// The shared words: one cache line for each set that is written together.
const WAITING: usize = 64;
const NOTIFY_SEQ: usize = WAITING + 4;
const HEAD_SEQ: usize = 128;
const DURABLE_SEQ: usize = 192;
const WRITER_PID: usize = 256;
const EPOCH: usize = WRITER_PID + 4;
const LIVE_EPOCH: usize = EPOCH + 4;
const FLUSH_FAILED: usize = LIVE_EPOCH + 4;
const BOOT_ID: usize = 320;
const BOOT_CHECKSUM: usize = BOOT_ID + 16;
const DURABLE: Slots = Slots([384, 448]);
const FIRST_SEQ: Slots = Slots([512, 576]);

const _: () = assert!(IDENTITY_LEN == 64);

/// What a chronicle is created with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) chronicle_id: ChronicleId,
    pub(crate) segment_bytes: u64,
}

/// The mapped control file.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) identity: Identity,
    region: Region,
    file: File,
    path: PathBuf,
}

impl Control {
    /// Creates the file under its temporary name and gives it its own: from then on the chronicle exists.
    pub(crate) fn create(directory: &Directory, identity: &Identity, mode: u32) -> Result<()> {
        let mut bytes = [0; CONTROL_LEN];
        preamble::write(&mut bytes, MAGIC, &identity.chronicle_id);
        bytes[CREATED_NS..SEGMENT_BYTES].copy_from_slice(&clock::now_ns().to_le_bytes());
        bytes[SEGMENT_BYTES..IDENTITY_RESERVED].copy_from_slice(&identity.segment_bytes.to_le_bytes());
        let checksum = crc32(&bytes[..IDENTITY_CHECKSUM]);
        bytes[IDENTITY_CHECKSUM..IDENTITY_LEN].copy_from_slice(&checksum.to_le_bytes());
        let path = directory.control_temporary();
        let file = create_new(&path, mode)?;
        disk::write(&file, &bytes)
            .and_then(|()| disk::sync(&file))
            .map_err(|e| Error::io("write the control file", &path, &e))?;
        rename(&path, &directory.control())
    }

    /// Opens and checks the file. `write` maps it for writing where the system allows, as a waiting reader needs; the
    /// writer itself asks [`writable`](Self::writable).
    pub(crate) fn open(directory: &Directory, write: bool) -> Result<Self> {
        let path = directory.control();
        let mut writable = write;
        let mut file = match open_regular(&path, write) {
            Err(e) if write && e.kind() == ErrorKind::Permission => {
                writable = false;
                open_regular(&path, false)?
            }
            other => other?,
        };
        let identity = Self::read_identity(&mut file, &path)?;
        let region =
            if writable { Region::map_mut(&file, CONTROL_LEN) } else { Region::map(&file, CONTROL_LEN) };
        let region = region.map_err(|e| Error::io("map the control file", &path, &e))?;
        Ok(Self { identity, region, file, path })
    }

    fn read_identity(file: &mut File, path: &std::path::Path) -> Result<Identity> {
        let len = file.metadata().map_err(|e| Error::io("look at the control file", path, &e))?.len();
        if len == 0 {
            return Err(Error::new(ErrorKind::EmptyFile, "the control file is empty")
                .at_path(path)
                .at_offset(0));
        }
        if len < CONTROL_LEN as u64 {
            let message = format!("the control file has {len} bytes instead of {CONTROL_LEN}");
            return Err(Error::new(ErrorKind::Truncated, message).at_path(path).at_offset(len));
        }
        let mut bytes = [0; IDENTITY_LEN];
        file.read_exact(&mut bytes).map_err(|e| Error::io("read the control file", path, &e))?;
        preamble::check_kind(&bytes, MAGIC, path)?;
        let (stored, actual) = (u32_at(&bytes, IDENTITY_CHECKSUM), crc32(&bytes[..IDENTITY_CHECKSUM]));
        if stored != actual && !crate::fault::planted("control.unchecked") {
            let message = format!("control checksum is {actual:#010x}, stored {stored:#010x}");
            return Err(Error::new(ErrorKind::Corrupt, message)
                .at_path(path)
                .at_offset(IDENTITY_CHECKSUM as u64));
        }
        preamble::check_features(&bytes, false, path)?;
        let segment_bytes = u64_at(&bytes, SEGMENT_BYTES);
        check_segment_bytes(segment_bytes).map_err(|e| {
            Error::new(ErrorKind::OutOfBounds, e.message()).at_path(path).at_offset(SEGMENT_BYTES as u64)
        })?;
        Ok(Identity { chronicle_id: preamble::id(&bytes), segment_bytes })
    }

    /// Checks what a reader may pass over and a writer may not.
    pub(crate) fn check_writable(&self) -> Result<()> {
        if !self.region.writable() {
            return Err(
                Error::new(ErrorKind::Permission, "the chronicle cannot be written to").at_path(&self.path)
            );
        }
        let mut bytes = [0; IDENTITY_LEN];
        self.region.copy_out(0, &mut bytes);
        self.check_whole()?;
        preamble::check_features(&bytes, true, &self.path)
    }

    /// Refuses what its words said once its page was lost; see [`Region::intact`].
    #[inline]
    pub(crate) fn intact(&self) -> Result<()> {
        self.region.intact(&self.path)
    }

    /// The same, and asks the kernel whether the file still has its length: behind the end of a file, the rest of a page reads as zeros.
    pub(crate) fn check_whole(&self) -> Result<()> {
        self.intact()?;
        let len =
            self.file.metadata().map_err(|e| Error::io("look at the control file", &self.path, &e))?.len();
        if len < CONTROL_LEN as u64 { Err(region::lost(&self.path, CONTROL_LEN)) } else { Ok(()) }
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }

    pub(crate) fn writable(&self) -> bool {
        self.region.writable()
    }

    /// Wakes sleeping readers, if there are any. The writer calls it after each publish.
    #[inline]
    pub(crate) fn wake_readers(&self) {
        let notify = self.region.word32(NOTIFY_SEQ);
        if wait::must_wake(self.region.word32(WAITING), notify) {
            platform::wake_all(notify);
        }
    }

    /// Announces a sleeper; see [`wait::prepare`].
    pub(crate) fn prepare_wait(&self) -> u32 {
        wait::prepare(self.region.word32(WAITING), self.region.word32(NOTIFY_SEQ))
    }

    /// The word that a sleeper sleeps on.
    pub(crate) fn notify_word(&self) -> &crate::sync::AtomicU32 {
        self.region.word32(NOTIFY_SEQ)
    }

    /// Wakes the sleepers whether they announced themselves or not.
    pub(crate) fn notify(&self) {
        self.notify_word().fetch_add(1, Ordering::Release);
        platform::wake_all(self.notify_word());
    }

    /// One more than the last published seq, as the last writer of this boot said.
    #[inline]
    pub(crate) fn head(&self) -> u64 {
        self.region.word64(HEAD_SEQ).load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn set_head(&self, next_seq: u64) {
        wait::set_head(self.region.word64(HEAD_SEQ), next_seq);
    }

    /// One more than the last durable seq, for readers that follow.
    pub(crate) fn durable(&self) -> u64 {
        self.region.word64(DURABLE_SEQ).load(Ordering::Acquire)
    }

    /// Stores the durable point: first the slot that is not the newest, then the word that readers look at.
    pub(crate) fn set_durable(&self, next_seq: u64) {
        DURABLE.store(&self.region, next_seq);
        // SYNC POINT: pairs with the `Acquire` load of `durable`.
        self.region.word64(DURABLE_SEQ).store(next_seq, Ordering::Release);
    }

    /// The durable point that recovery may trust: checksummed, 0 where there is none.
    pub(crate) fn stored_durable(&self) -> u64 {
        DURABLE.load(&self.region)
    }

    /// Takes back every promise but those below `next_seq`, as after a power cut: only a repair does.
    pub(crate) fn forget(&self, next_seq: u64) {
        let kept = next_seq.min(self.stored_durable());
        self.region.word32(BOOT_CHECKSUM).store(0, Ordering::Release);
        DURABLE.clear(&self.region);
        self.set_durable(kept);
        self.set_head(next_seq);
    }

    /// The number of the writer's last opening.
    pub(crate) fn epoch(&self) -> u32 {
        self.region.word32(EPOCH).load(Ordering::Acquire)
    }

    pub(crate) fn set_epoch(&self, epoch: u32) {
        self.region.word32(EPOCH).store(epoch, Ordering::Release);
    }

    /// The process that writes, if one does.
    pub(crate) fn writer_pid(&self) -> Option<u32> {
        Some(self.region.word32(WRITER_PID).load(Ordering::Acquire)).filter(|&pid| pid != 0)
    }

    pub(crate) fn set_writer_pid(&self, pid: u32) {
        self.region.word32(WRITER_PID).store(pid, Ordering::Release);
    }

    /// The first seq that retention has left: segments before the one that starts there do not count any more.
    pub(crate) fn first_seq(&self) -> u64 {
        FIRST_SEQ.load(&self.region)
    }

    /// Says that everything below `seq` may be removed. Only who holds the prune lock does.
    pub(crate) fn set_first_seq(&self, seq: u64) {
        if seq != self.first_seq() {
            FIRST_SEQ.store(&self.region, seq);
        }
    }

    /// Takes the last [`set_first_seq`](Self::set_first_seq) back to a seq that is not below the one before it.
    pub(crate) fn lower_first_seq(&self, seq: u64) {
        FIRST_SEQ.lower(&self.region, seq);
    }

    /// Makes `seq` the first one, whatever was said before: only a repair does.
    pub(crate) fn reset_first_seq(&self, seq: u64) {
        FIRST_SEQ.clear(&self.region);
        self.set_first_seq(seq);
    }

    /// Whether a flush failed in this boot: the kernel may hold pages for clean that are not on the disk.
    pub(crate) fn flush_failed(&self) -> bool {
        self.region.word32(FLUSH_FAILED).load(Ordering::Acquire) != 0
    }

    pub(crate) fn set_flush_failed(&self, failed: bool) {
        self.region.word32(FLUSH_FAILED).store(failed.into(), Ordering::Release);
    }

    /// Says that a writer has recovered the log and has it open, or that none does: what readers go by where boots are not known.
    pub(crate) fn set_live(&self, epoch: u32) {
        self.region.word32(LIVE_EPOCH).store(epoch, Ordering::Release);
    }

    fn live(&self) -> bool {
        let epoch = self.region.word32(LIVE_EPOCH).load(Ordering::Acquire);
        epoch != 0 && epoch == self.epoch() && self.writer_pid().is_some_and(platform::process_runs)
    }

    /// Whether the last writer's recovery was in this boot, so that the page cache still holds all it published.
    pub(crate) fn same_boot(&self) -> bool {
        let mut stored: BootId = [0; 16];
        self.region.copy_out(BOOT_ID, &mut stored);
        let checksum = self.region.word32(BOOT_CHECKSUM).load(Ordering::Acquire);
        stored != [0; 16] && checksum == crc32(&stored) && stored == platform::boot_id()
    }

    /// Whether every record below the head is known to be there: a writer of this boot has recovered the log, or, where boots are
    /// not known, one has it open.
    pub(crate) fn recovered(&self) -> bool {
        self.same_boot() || (platform::boot_id() == [0; 16] && self.live())
    }

    /// Says that the log was recovered in this boot. The checksum goes last: a half-written id is of no boot.
    pub(crate) fn set_boot(&self) {
        let boot = platform::boot_id();
        self.region.word32(BOOT_CHECKSUM).store(0, Ordering::Release);
        self.region.copy_in(BOOT_ID, &boot);
        self.region.word32(BOOT_CHECKSUM).store(crc32(&boot), Ordering::Release);
    }

    /// Waits until the words are on the disk.
    pub(crate) fn flush(&self) -> Result<()> {
        let flushed = platform::flush(&self.region, &self.file, 0, CONTROL_LEN);
        flushed.map_err(|e| Error::io("flush the control file", &self.path, &e))
    }
}

/// Checks `segment_bytes` as an option and as a field of the file.
pub(crate) fn check_segment_bytes(bytes: u64) -> Result<()> {
    if (MIN_SEGMENT_BYTES..=MAX_SEGMENT_BYTES).contains(&bytes) && bytes.is_multiple_of(SEGMENT_ALIGN) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "segment_bytes must be a multiple of {SEGMENT_ALIGN} from {MIN_SEGMENT_BYTES} to {MAX_SEGMENT_BYTES}, got {bytes}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control() -> (tempfile::TempDir, Directory, Control) {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::new(dir.path());
        let identity = Identity { chronicle_id: [3; 16], segment_bytes: 1 << 20 };
        Control::create(&directory, &identity, 0o600).unwrap();
        let control = Control::open(&directory, true).unwrap();
        assert_eq!(control.identity, identity);
        (dir, directory, control)
    }

    #[test]
    fn every_flipped_bit_of_the_identity_is_found() {
        let (_dir, directory, control) = control();
        drop(control);
        let good = std::fs::read(directory.control()).unwrap();
        for bit in 0..IDENTITY_LEN * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(directory.control(), bytes).unwrap();
            assert!(Control::open(&directory, true).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn the_durable_point_outlives_a_half_written_slot() {
        let (_dir, _directory, control) = control();
        assert_eq!(control.stored_durable(), 0);
        control.set_durable(5);
        control.set_durable(9);
        assert_eq!((control.durable(), control.stored_durable()), (9, 9));
        for at in DURABLE.0 {
            if control.region.word64(at).load(Ordering::Relaxed) == 9 {
                control.region.word64(at).store(12, Ordering::Relaxed);
            }
        }
        assert_eq!(control.stored_durable(), 5);
    }

    #[test]
    fn the_first_seq_goes_up_and_can_be_taken_back() {
        let (_dir, _directory, control) = control();
        control.set_first_seq(5);
        control.set_first_seq(20);
        control.lower_first_seq(9);
        assert_eq!(control.first_seq(), 9);
        control.set_first_seq(30);
        assert_eq!(control.first_seq(), 30);
        control.lower_first_seq(9);
        assert_eq!(control.first_seq(), 9);
    }

    #[test]
    fn the_boot_is_this_one_only_after_it_was_said() {
        let (_dir, _directory, control) = control();
        assert!(!control.same_boot());
        control.set_boot();
        assert_eq!(control.same_boot(), platform::boot_id() != [0; 16]);
    }
}
