//! Named readers: a reader whose position outlives its process.

use std::cell::Cell;

use crate::chronicle::{Chronicle, Inner};
use crate::cursor::Cursor;
use crate::error::{Error, ErrorKind, Result};
use crate::layout::MAX_SEQ;
use crate::platform;
use crate::position::{self, Position, Stored};
use crate::reader::{From, Reader};

/// A named reader as others see it.
#[derive(Debug, Clone)]
pub struct ReaderInfo {
    /// The reader's name.
    pub name: String,
    /// The seq that it has still to read.
    pub next_seq: u64,
    /// How many messages that are published now it has not committed.
    pub lag: u64,
    /// The process that uses it, if one does.
    pub pid: Option<u32>,
    /// Why its position cannot be read, if so: it keeps everything then, from the first message that is left.
    pub failure: Option<Error>,
}

impl Chronicle {
    /// A reader that goes on behind the last message that a reader of this name has [committed](Reader::commit). A name that is
    /// new starts at `new_from`.
    ///
    /// Delivery is at least once: a message that was read and not committed is read again. One handle at a time uses a name.
    /// A position behind the end of the log, as a power cut may leave it, is moved back to the end; see
    /// [`moved_back_from`](Reader::moved_back_from).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a name that is no file name, [`ErrorKind::Locked`] with the pid of the process that
    /// uses the name, [`ErrorKind::Gap`] when the position was pruned ([`set_reader`](Self::set_reader) moves it),
    /// [`ErrorKind::ReadOnly`], the kinds for damaged files, and those of [`reader`](Self::reader).
    pub fn named_reader(&self, name: &str, new_from: From) -> Result<Reader> {
        let inner = self.inner();
        refuse_read_only(inner)?;
        let created = Cell::new(false);
        let start = || {
            created.set(true);
            let mut reader = Reader::open(inner, new_from)?;
            reader.settle()?;
            Ok(reader.next_seq())
        };
        let id = &inner.control.identity.chronicle_id;
        let mut position = Position::open(&inner.directory, name, id, inner.options.mode, start)?;
        let stored = position.next_seq();
        let moved = move_back(inner, &mut position)?;
        // The position stands before the first seq that is left is looked at: a prune that looks later spares it.
        let mut reader = loop {
            match Reader::open(inner, From::Seq(position.next_seq())) {
                // A prune came between the look at where to start and the position that would have kept it.
                Err(e)
                    if e.kind() == ErrorKind::Gap && created.get() && !matches!(new_from, From::Seq(_)) =>
                {
                    position.store(start()?)?;
                    position.flush()?;
                }
                other => break other?,
            }
        };
        reader.moved_back_from = moved.then_some(stored);
        reader.position = Some(position);
        Ok(reader)
    }

    /// Every named reader, in order of their names.
    ///
    /// # Errors
    /// The kinds for damaged files.
    pub fn readers(&self) -> Result<Vec<ReaderInfo>> {
        let inner = self.inner();
        let head = inner.next_seq()?;
        let mut readers = Vec::new();
        for name in inner.directory.reader_names()? {
            let (next_seq, pid, failure) = match inner.position(&name) {
                Ok(stored) => (stored.next_seq, stored.pid, None),
                // Removed since the names were listed.
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                Err(e) => (inner.first_seq()?, None, Some(e)),
            };
            let pid = pid.filter(|&pid| platform::process_runs(pid));
            readers.push(ReaderInfo { name, next_seq, lag: head.saturating_sub(next_seq), pid, failure });
        }
        Ok(readers)
    }

    /// Forgets a named reader: its position no longer keeps messages from being pruned.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Locked`] while it is in use, [`ErrorKind::ReadOnly`].
    pub fn remove_reader(&self, name: &str) -> Result<()> {
        refuse_read_only(self.inner())?;
        position::remove(&self.inner().directory, name)
    }

    /// Moves a named reader that nobody uses, or makes one: it reads `next_seq` next.
    ///
    /// # Errors
    /// As [`named_reader`](Self::named_reader), but for the gap; [`ErrorKind::InvalidArgument`] for a seq behind the end.
    pub fn set_reader(&self, name: &str, next_seq: u64) -> Result<()> {
        let inner = self.inner();
        refuse_read_only(inner)?;
        if next_seq > MAX_SEQ || next_seq > true_head(inner, next_seq)? {
            return Err(Error::invalid(format!("seq {next_seq} is behind the end of the log")));
        }
        let id = &inner.control.identity.chronicle_id;
        let mut position = Position::open(&inner.directory, name, id, inner.options.mode, || Ok(next_seq))?;
        position.store(next_seq)?;
        position.flush()
    }
}

impl Reader {
    /// Says that all messages up to and with `seq` are handled: a reader of this name will not get them again.
    ///
    /// The position outlives the process at once, and a power cut from [`flush_position`](Self::flush_position) on, which the end
    /// of the reader does too. A seq below the last one committed changes nothing.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when the reader has no name or has not read `seq` yet.
    pub fn commit(&mut self, seq: u64) -> Result<()> {
        let read = self.next_seq();
        let Some(position) = &mut self.position else {
            return Err(Error::invalid("only a named reader has a position to commit"));
        };
        if seq >= read {
            return Err(Error::invalid(format!("message {seq} was not read yet: the next one is {read}")));
        }
        if seq >= position.next_seq() {
            position.store(seq + 1)?;
        }
        Ok(())
    }

    /// The seq that a reader of this name would start at now.
    #[must_use]
    pub fn committed(&self) -> Option<u64> {
        self.position.as_ref().map(Position::next_seq)
    }

    /// Waits until the position survives a power cut.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the disk fails.
    pub fn flush_position(&self) -> Result<()> {
        self.position.as_ref().map_or(Ok(()), Position::flush)
    }

    /// The position that was found, when it lay behind the end of the log and was moved back to it.
    #[must_use]
    pub fn moved_back_from(&self) -> Option<u64> {
        self.moved_back_from
    }
}

impl Inner {
    /// The position of a named reader.
    pub(crate) fn position(&self, name: &str) -> Result<Stored> {
        let id = &self.control.identity.chronicle_id;
        // What a read sees there of what others have stored is up to each network file system.
        let glanced =
            if self.options.allow_network_fs { None } else { position::glance(&self.directory, name, id) };
        glanced.map_or_else(|| position::read(&self.directory, name, id), Ok)
    }
}

/// Moves a position that lies behind the end of the log back to it: a power cut took what it speaks of.
pub(crate) fn move_back(inner: &Inner, position: &mut Position) -> Result<bool> {
    let head = true_head(inner, position.next_seq())?;
    if position.next_seq() <= head {
        return Ok(false);
    }
    position.store(head)?;
    position.flush()?;
    Ok(true)
}

/// The end of the log, walked where `wanted` lies behind the head: a writer may have died between a publish and its head.
fn true_head(inner: &Inner, wanted: u64) -> Result<u64> {
    let head = inner.next_seq()?;
    if wanted <= head {
        return Ok(head);
    }
    if !inner.control.recovered() {
        return Ok(head);
    }
    let mut cursor = Cursor::at(inner, head)?;
    cursor.skip_to_head(inner)?;
    Ok(cursor.place.seq)
}

fn refuse_read_only(inner: &Inner) -> Result<()> {
    if inner.options.read_only {
        let message = "the chronicle was opened for reading only, and a named reader writes its position";
        return Err(Error::new(ErrorKind::ReadOnly, message).at_path(inner.directory.path()));
    }
    Ok(())
}
