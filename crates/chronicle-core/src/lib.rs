//! A persisted, memory-mapped, append-only message log: one process appends, any number of processes on the host read.
//!
//! Appending is a copy into mapped memory. When [`Writer::append`] returns, the message survives the end of the process; when
//! [`Durability::sync`] returns, it survives a power cut. Readers check both checksums and the order of every message.
//!
//! Start at [`Chronicle::open`]. The bytes on disk are described in `docs/FORMAT.md`, the contract between processes in
//! `docs/ARCHITECTURE.md`.
#![deny(unsafe_code, unsafe_op_in_unsafe_fn)]
#![warn(missing_docs)]

#[cfg(target_endian = "big")]
compile_error!("the words that processes share are stored as they are, and the format is little-endian");

mod active;
mod batch;
mod blank;
mod checksum;
mod chronicle;
mod claim;
mod clock;
mod control;
mod creation;
mod cursor;
mod directory;
mod disk;
mod durability;
mod end;
mod error;
#[cfg(feature = "fault")]
#[doc(hidden)]
pub mod fault;
#[cfg(not(feature = "fault"))]
mod fault;
mod header;
mod index;
mod known;
mod layout;
mod lock;
mod mapped;
mod mmap;
#[cfg(all(test, loom))]
#[expect(
    unsafe_code,
    clippy::unwrap_used,
    reason = "loom's cells are reached through their address, and models fail by panicking"
)]
mod model;
mod name;
mod named;
mod observer;
mod options;
mod pace;
mod platform;
mod position;
mod preamble;
mod preparer;
mod progress;
mod quarantine;
mod reader;
mod record;
mod recovery;
mod region;
mod repair;
mod retention;
mod roll;
mod run;
#[cfg(all(test, shuttle))]
#[expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "schedules fail by panicking, and their numbers are small"
)]
mod schedules;
mod segment;
mod sizes;
mod skip;
mod slots;
mod snapshot;
mod sync;
mod verify;
mod view;
mod wait;
mod waiter;
mod walk;
mod writer;

pub use batch::BatchItem;
pub use checksum::crc32;
pub use chronicle::{Chronicle, Stats};
pub use claim::Claim;
pub use durability::Durability;
pub use error::{Error, ErrorKind, Result};
pub use header::{END, MessageHeader, VALID};
pub use layout::{
    DEFAULT_SEGMENT_BYTES, HEADER_LEN, MAX_BATCH_BYTES, MAX_PAYLOAD_LEN, MAX_SEGMENT_BYTES, MAX_SEQ,
    MIN_SEGMENT_BYTES,
};
pub use mmap::MmapFile;
pub use name::MAX_READER_NAME_LEN;
pub use named::ReaderInfo;
pub use observer::Event;
pub use options::{Options, SyncMode};
pub use progress::Progress;
pub use reader::{From, Reader};
pub use recovery::RecoveryReport;
pub use repair::{RepairReport, repair};
pub use retention::{PruneReport, Retention};
pub use run::{Entry, Run};
pub use skip::Skipped;
pub use snapshot::SnapshotReport;
pub use verify::{Problem, Severity, VerifyReport, verify, verify_watched};
pub use view::View;
pub use waiter::{Ticket, WaitHandle};
pub use writer::Writer;
