//! Power cuts, simulated: a real run of the log is recorded below the seam of the core, and of each moment the disks are built
//! that a power cut could leave then. The real recovery opens each of them.
//!
//! # What a disk is assumed to do
//!
//! * A sector of 512 bytes is written whole or not at all. Until its file is flushed it may hold any value that it had since the
//!   last flush, whatever the other sectors hold, of the same file or of others.
//! * A flush of a file or of a range of it makes those sectors durable, and the file's length and blocks: not its name. The
//!   length may be any that the file had since the last flush before.
//! * A flush of a directory makes its names durable. Before, each creation, link, rename and removal may have come to the disk or
//!   not, in whatever order; a rename is atomic. What lies in a directory whose own name is lost is lost.
//! * A rename from one directory to another is durable with a flush of either.
//! * A flush that fails promises nothing. Blocks that were never written are zeros.
//!
//! This is what POSIX allows and less than ext4 or XFS keep, which order the changes of names.

mod check;
mod dice;
mod disk;
mod inode;
mod life;
mod model;
mod names;
mod recorder;
mod scenario;

pub use scenario::run;
