//! What may be done to a log.

use arbitrary::Arbitrary;

#[derive(Debug, Clone, Arbitrary)]
pub enum Op {
    Append(Size, u16),
    Expect(i8),
    Batch(Vec<Size>),
    /// A claim of this size; what is written to it; whether it is published.
    Claim(Size, Vec<(u16, u8)>, bool),
    /// Appends what leaves this many lines of 64 bytes before the place of END.
    Fill(u8),
    Sync,
    Reopen,
    /// The process ends, with a claim open or not; the machine too, or not.
    Crash {
        claimed: Option<Size>,
        reboots: bool,
    },
    /// The process ends at this step of the next operation.
    CrashWithin {
        step: u8,
        reboots: bool,
    },
    Read {
        from: Start,
        slab: u16,
        entries: u8,
        durable: bool,
    },
    ReadBack(Start),
    SeekTime {
        seq: u16,
        later: i8,
    },
    /// A reader that stays open over everything but a crash.
    Tail,
    Named {
        reader: u8,
        read: u8,
        commit: u8,
    },
    SetReader(u8, u16),
    RemoveReader(u8),
    Prune {
        messages: Option<u8>,
        bytes: Option<u8>,
        unread: bool,
        dry: bool,
    },
    Verify,
    Repair,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Size {
    Small(u8),
    Page(u16),
    /// About what the rest of a segment takes.
    Large(u8),
    /// More than a regular segment takes.
    Huge(u8),
}

impl Size {
    pub fn bytes(self) -> usize {
        match self {
            Self::Small(bytes) => bytes.into(),
            Self::Page(bytes) => usize::from(bytes % 8192),
            Self::Large(less) => 61_312 - usize::from(less) * 16,
            Self::Huge(more) => 61_312 + usize::from(more) * 64,
        }
    }
}

#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Start {
    First,
    End,
    Seq(u16),
    Last(u8),
}
