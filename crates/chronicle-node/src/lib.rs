//! The Node.js binding of `chronicle-core`: types and conversions, no logic.
//!
//! What is called once in a while is `#[napi]`. The four hot calls are plain callbacks in `hot.rs`. Every failure
//! crosses as a JavaScript `Error` with the properties of the core's error; `lib/errors.ts` makes them pleasant.
#![expect(clippy::needless_pass_by_value, reason = "N-API hands arguments over by value")]

mod background;
mod buffer;
mod chronicle;
mod event;
mod failure;
// Its functions are registered with Node.js, which test builds leave out, so that nothing there would use them.
#[cfg(not(test))]
mod header;
mod hot;
mod mmap_file;
mod number;
mod options;
mod progress;
mod raw;
mod reader;
mod slot;
mod stats;
mod text;
#[cfg(not(test))]
mod verify;
mod waiter;
mod writer;
