//! What the log has promised at each moment.

use std::collections::BTreeMap;

/// A message as it was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub payload: Vec<u8>,
    pub type_id: u16,
    pub batch_remaining: u32,
}

/// A named reader, or one that is being made or removed.
#[derive(Debug, Clone, Default)]
pub struct ReaderPromise {
    /// The position that a power cut cannot take; none before the reader's creation has returned.
    pub durable: Option<u64>,
    /// The position that the end of the process cannot take.
    pub stored: Option<u64>,
    /// No position lies ahead of this one.
    pub most: u64,
    /// Whether it may be gone: it is being removed.
    pub leaving: bool,
}

/// What the lives of a scenario do beside the usual.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extras {
    /// At its end a life damages a message, and repairs the log.
    pub repair: bool,
    /// The helper thread of `everyMs` flushes along the way: at its own times, so that no two runs are the same.
    pub flusher: bool,
}

/// What holds at one moment. Messages are counted from seq 0, pruned ones too.
#[derive(Debug, Clone, Default)]
pub struct Promises {
    /// Whether the creation has returned.
    pub created: bool,
    /// How many messages were handed to an append that has begun.
    pub begun: usize,
    /// How many messages an append has returned for.
    pub appended: usize,
    /// How many messages a flush has returned for.
    pub durable: usize,
    /// The first message that must be gone.
    pub pruned: u64,
    /// The first message that must be there.
    pub kept: u64,
    /// Whether no prune has passed over a reader that has still to read.
    pub unread_kept: bool,
    pub readers: BTreeMap<String, ReaderPromise>,
    /// The first message that a repair may cut: it is damaged, or its batch is.
    pub damaged: Option<u64>,
}
