//! What the fuzzers do with their inputs. Each target is one function; a finding is a panic, a crash, a hang, or memory without bound.

mod directory;
mod files;
mod forge;
mod header;
mod machine;
mod model;
mod op;
mod place;
mod read;
mod snapshot;

pub use directory::{Damaged, directory};
pub use files::{ControlInput, IndexInput, PositionInput, SegmentInput, control, index, position, segment};
pub use header::header;
pub use machine::operations;
pub use op::Op;
