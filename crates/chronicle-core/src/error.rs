//! One error type: a coarse kind to act on, and the place it speaks of.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::fault;
use crate::platform;

/// The result of every fallible call of this crate.
pub type Result<T> = std::result::Result<T, Error>;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)+) => {
        /// What went wrong, as coarse as a caller would act on it differently.
        ///
        /// The kind and its [code](ErrorKind::code) are stable; the message of an [`Error`] is not.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$doc])* $name,)+
        }

        impl ErrorKind {
            /// Every kind, in the order of `docs/ERRORS.md`.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable code of this kind, such as `ERR_CHRONICLE_CORRUPT`.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("ERR_CHRONICLE_", $code),)+
                }
            }
        }
    };
}

kinds! {
    /// An argument is of the wrong type or out of its range. Nothing was written.
    InvalidArgument = "INVALID_ARGUMENT",
    /// There is no chronicle at the path, and creating one was not asked for.
    NotFound = "NOT_FOUND",
    /// The path holds something else: not a directory, or a directory of someone else's.
    NotAChronicle = "NOT_A_CHRONICLE",
    /// A name that must be a regular file is a symlink, directory, fifo or device.
    NotAFile = "NOT_A_FILE",
    /// Another handle holds the writer lock; the error carries the holder's pid when it is known.
    Locked = "LOCKED",
    /// The chronicle was opened for reading only, or holds a feature that this version can only read.
    ReadOnly = "READ_ONLY",
    /// The handle was closed.
    Closed = "CLOSED",
    /// A file has no byte in it where a header must be.
    EmptyFile = "EMPTY_FILE",
    /// A file is shorter than its header says.
    Truncated = "TRUNCATED",
    /// A file does not start with the magic bytes of its kind.
    BadMagic = "BAD_MAGIC",
    /// The file was written in a format version that this build does not know.
    UnsupportedVersion = "UNSUPPORTED_VERSION",
    /// The file uses a feature that this build does not know.
    UnsupportedFeature = "UNSUPPORTED_FEATURE",
    /// A length or offset in a file points outside of it.
    OutOfBounds = "OUT_OF_BOUNDS",
    /// A checksum, a sequence number or another invariant of the bytes on disk does not hold.
    Corrupt = "CORRUPT",
    /// A segment is gone although segments before and behind it exist.
    MissingSegment = "MISSING_SEGMENT",
    /// A payload is longer than 1 GiB, or a batch does not fit in one segment.
    TooLarge = "TOO_LARGE",
    /// The disk or the quota is full. Nothing of the failed call was published.
    NoSpace = "NO_SPACE",
    /// The operating system denies access.
    Permission = "PERMISSION",
    /// The directory is on a network file system, where mapped memory is not coherent.
    NetworkFs = "NETWORK_FS",
    /// Any other failure of the operating system.
    Io = "IO",
    /// `expected_seq` is not the next sequence number; the error carries the actual one.
    Conflict = "CONFLICT",
    /// The messages asked for were pruned; the error carries the first sequence number that is left.
    Gap = "GAP",
    /// A flush failed, so nothing more may be promised; reopen the chronicle to go on.
    Poisoned = "POISONED",
    /// The process was forked and this is the child: only the parent may write.
    Forked = "FORKED",
    /// The last sequence number, 2^53 - 1, is used.
    SeqExhausted = "SEQ_EXHAUSTED",
    /// Work that takes long was called off by [`Progress::stop`](crate::Progress::stop).
    Aborted = "ABORTED",
}

/// An error with the file, offset and sequence number it speaks of, where there are such.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    path: Option<PathBuf>,
    offset: Option<u64>,
    seq: Option<u64>,
    pid: Option<u32>,
    actual: Option<u64>,
    first: Option<u64>,
    no_descriptor: bool,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            path: None,
            offset: None,
            seq: None,
            pid: None,
            actual: None,
            first: None,
            no_descriptor: false,
        }))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// Classifies an operating system error met while doing `action` at `path`.
    pub(crate) fn io(action: &str, path: &Path, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull if fault::planted("space.misnamed") => ErrorKind::Io,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                ErrorKind::NoSpace
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Permission,
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::NotADirectory => ErrorKind::NotAChronicle,
            io::ErrorKind::UnexpectedEof => ErrorKind::Truncated,
            _ => ErrorKind::Io,
        };
        Self::new(kind, format!("cannot {action}: {error}")).at_path(path)
    }

    /// The same for an action that opens a file or directory, and needs a descriptor for that.
    pub(crate) fn opening(action: &str, path: &Path, error: &io::Error) -> Self {
        let mut opening = Self::io(action, path, error);
        opening.0.no_descriptor = platform::no_descriptor(error);
        opening
    }

    pub(crate) fn at_path(mut self, path: &Path) -> Self {
        self.0.path = Some(path.to_owned());
        self
    }

    pub(crate) fn at_offset(mut self, offset: u64) -> Self {
        self.0.offset = Some(offset);
        self
    }

    pub(crate) fn at_seq(mut self, seq: u64) -> Self {
        self.0.seq = Some(seq);
        self
    }

    pub(crate) fn held_by(mut self, pid: Option<u32>) -> Self {
        self.0.pid = pid;
        self
    }

    pub(crate) fn with_actual(mut self, seq: u64) -> Self {
        self.0.actual = Some(seq);
        self
    }

    pub(crate) fn with_first(mut self, seq: u64) -> Self {
        self.0.first = Some(seq);
        self
    }

    /// Whether a file was not opened for want of a descriptor: nothing was done to it.
    pub(crate) fn no_descriptor(&self) -> bool {
        self.0.no_descriptor
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message without path, offset and seq.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The file or directory that the error speaks of.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The byte offset in [`path`](Self::path).
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// The sequence number of the message that the error speaks of.
    #[must_use]
    pub fn seq(&self) -> Option<u64> {
        self.0.seq
    }

    /// The process that holds the lock, for [`ErrorKind::Locked`].
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.0.pid
    }

    /// The actual next sequence number, for [`ErrorKind::Conflict`].
    #[must_use]
    pub fn actual(&self) -> Option<u64> {
        self.0.actual
    }

    /// The first sequence number that is left, for [`ErrorKind::Gap`].
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.0.first
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let mut separator = " (";
        if let Some(path) = &self.0.path {
            write!(f, "{separator}path {}", path.display())?;
            separator = ", ";
        }
        if let Some(offset) = self.0.offset {
            write!(f, "{separator}offset {offset}")?;
            separator = ", ";
        }
        if let Some(seq) = self.0.seq {
            write!(f, "{separator}seq {seq}")?;
            separator = ", ";
        }
        if separator == ", " { f.write_str(")") } else { Ok(()) }
    }
}

impl std::error::Error for Error {}
