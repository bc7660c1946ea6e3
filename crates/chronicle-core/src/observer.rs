//! Telling who asked what happens away from the caller: rolls, prunes and flushes.

use std::fmt;
use std::sync::OnceLock;
use std::time::Instant;

use crate::error::Error;
use crate::retention::PruneReport;

/// Something that a writer, or one of its helper threads, did.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// Appending goes on in a new segment.
    Rolled {
        /// The seq of its first message.
        base_seq: u64,
        /// The length of its file.
        bytes: u64,
    },
    /// Segments were pruned: by a call, or at a roll.
    Pruned(PruneReport),
    /// A prune at a roll failed; the next roll tries again.
    PruneFailed(Error),
    /// A flush made messages durable.
    Synced {
        /// Every message below this survives a power cut.
        durable_seq: u64,
        /// How long the flush took.
        nanos: u64,
    },
    /// A flush failed, and poisoned the writer.
    SyncFailed(Error),
}

type Listener = Box<dyn Fn(Event) + Send + Sync>;

/// Whoever is told of events. Without one an event costs a look.
#[derive(Default)]
pub(crate) struct Observer(OnceLock<Listener>);

impl Observer {
    /// From now on `listener` is told. The first one stays.
    pub(crate) fn set(&self, listener: Listener) {
        // A second one is of the same opening, whose first hears everything.
        let _ = self.0.set(listener);
    }

    pub(crate) fn tell(&self, event: impl FnOnce() -> Event) {
        if let Some(listener) = self.0.get() {
            listener(event());
        }
    }

    /// The clock, where somebody will be told how long it took.
    pub(crate) fn started(&self) -> Option<Instant> {
        self.0.get().map(|_| Instant::now())
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.get().is_some() { "Observer(set)" } else { "Observer(none)" })
    }
}
