//! `NativeReader`: runs of checked messages, copied out.

use std::rc::Rc;

use chronicle_core::{Entry, Reader, Run, Skipped};
use napi::{Env, sys};
use napi_derive::napi;

use crate::buffer::View;
use crate::failure::{Failure, raise};
use crate::hot::{Call, HotCall, function};
use crate::number;
use crate::options::duration;
use crate::raw::{Raw, double};
use crate::slot::{Close, Slot};
use crate::view;

/// `poll(slab, entries)`.
struct Poll;

impl HotCall<2> for Poll {
    type State = Slot<Reader>;
    const CALL: Call<Slot<Reader>, 2> = |reader, env, args| poll(reader, env, args, Reader::poll);
}

/// `pollBack(slab, entries)`.
struct PollBack;

impl HotCall<2> for PollBack {
    type State = Slot<Reader>;
    const CALL: Call<Slot<Reader>, 2> = |reader, env, args| poll(reader, env, args, Reader::poll_back);
}

fn poll(
    reader: &Slot<Reader>,
    env: sys::napi_env,
    [slab, entries]: [sys::napi_value; 2],
    fill: impl FnOnce(&mut Reader, &mut [u8], &mut [Entry]) -> chronicle_core::Result<Run>,
) -> Result<sys::napi_value, Failure> {
    let (mut slab, mut entries) = (View::of(env, slab, "slab")?, View::of(env, entries, "entries")?);
    if slab.overlaps(&entries) {
        return Err(Failure::argument("slab and entries must not overlap"));
    }
    let (slab, entries) = (slab.bytes_mut("slab")?, entries.entries_mut("entries")?);
    let run = reader.with(|reader| Ok(fill(reader, slab, entries)?))?;
    Ok(double(env, number::to_js(run.count as u64) - number::to_js(run.need as u64)).0)
}

/// `commit(seq)`.
struct Commit;

impl HotCall<1> for Commit {
    type State = Slot<Reader>;
    const CALL: Call<Slot<Reader>, 1> = |reader, env, [seq]| {
        let seq = number::seq(env, seq, "seq")?;
        reader.with(|reader| Ok(reader.commit(seq)?))?;
        Ok(std::ptr::null_mut())
    };
}

/// Seqs that were gone past: `from` is the first of them, `to` the one behind the last.
#[napi(object)]
pub struct NativeSkipped {
    pub from: f64,
    pub to: f64,
}

/// A place in a chronicle, and what comes next there.
#[napi]
pub struct NativeReader {
    reader: Rc<Slot<Reader>>,
}

impl NativeReader {
    pub fn new(reader: Rc<Slot<Reader>>) -> Self {
        Self { reader }
    }
}

#[napi]
impl NativeReader {
    /// The hot call: copies the next messages into `slab`, tells eight words of each in `entries` (offset, length, type,
    /// batch remaining, timestamp low and high, seq low and high), and returns how many. 0 is the head of the log; -n
    /// asks for a slab of n bytes for the next message.
    #[napi(catch_unwind, ts_return_type = "(slab: Uint8Array, entries: Uint32Array) => number")]
    pub fn poll(&self, env: Env) -> napi::Result<Raw> {
        raise(&env, function::<Poll, 2>(env.raw(), &self.reader).map(Raw))
    }

    /// The same for the messages before the place, the last one first. 0 says that the first one that is left has been passed.
    #[napi(catch_unwind, ts_return_type = "(slab: Uint8Array, entries: Uint32Array) => number")]
    pub fn poll_back(&self, env: Env) -> napi::Result<Raw> {
        raise(&env, function::<PollBack, 2>(env.raw(), &self.reader).map(Raw))
    }

    /// The calls of a reader that copies nothing: `poll` and `pollBack` tell places in the last `buffer()`, or, where the count is
    /// negative, in one that is to be asked for now. Null where the runtime takes no external memory.
    #[napi(
        catch_unwind,
        ts_return_type = "{ poll: (entries: Uint32Array) => number; pollBack: (entries: Uint32Array) => number; buffer: () => ArrayBuffer } | null"
    )]
    pub fn views(&self, env: Env) -> napi::Result<Option<Raw>> {
        raise(&env, view::calls(env.raw(), &self.reader))
    }

    /// The call that says of a named reader's messages up to and with `seq` that they are handled.
    #[napi(catch_unwind, ts_return_type = "(seq: number) => void")]
    pub fn commit(&self, env: Env) -> napi::Result<Raw> {
        raise(&env, function::<Commit, 1>(env.raw(), &self.reader).map(Raw))
    }

    /// The seq that a reader of this name would start at now.
    #[napi(catch_unwind)]
    pub fn committed(&self, env: Env) -> napi::Result<Option<f64>> {
        raise(&env, self.reader.with(|reader| Ok(reader.committed().map(number::to_js))))
    }

    /// The position that was found, where it lay behind the end of the log and was moved back to it.
    #[napi(catch_unwind)]
    pub fn moved_back_from(&self, env: Env) -> napi::Result<Option<f64>> {
        raise(&env, self.reader.with(|reader| Ok(reader.moved_back_from().map(number::to_js))))
    }

    /// Blocks this thread until there is a message to poll or `ms` are over. Returns whether there is one.
    #[napi(catch_unwind)]
    pub fn wait(&self, env: Env, ms: f64) -> napi::Result<bool> {
        let wait = duration("wait", ms);
        raise(&env, wait.and_then(|wait| self.reader.with(|reader| Ok(reader.wait(wait)?))))
    }

    /// Goes past the damage that the last poll met. Nothing where there is none.
    #[napi(catch_unwind)]
    pub fn skip(&self, env: Env) -> napi::Result<Option<NativeSkipped>> {
        let skipped = |skipped: Skipped| NativeSkipped {
            from: number::to_js(skipped.first_seq),
            to: number::to_js(skipped.next_seq),
        };
        raise(&env, self.reader.with(|reader| Ok(reader.skip()?.map(skipped))))
    }

    /// The seq that the next poll starts with.
    #[napi(catch_unwind)]
    pub fn next_seq(&self, env: Env) -> napi::Result<f64> {
        raise(&env, self.reader.with(|reader| Ok(number::to_js(reader.next_seq()))))
    }

    /// Unmaps what the reader has mapped. The hot call refuses from now on.
    #[napi(catch_unwind)]
    pub fn close(&self, env: Env) -> napi::Result<()> {
        raise(&env, self.reader.close())
    }
}
