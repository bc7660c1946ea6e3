//! `NativeWriter`: appends, and flushes.

use std::cell::RefCell;
use std::rc::Rc;

use chronicle_core::{BatchItem, Durability, Writer};
use napi::bindgen_prelude::AsyncTask;
use napi::{Env, sys};
use napi_derive::napi;

use crate::background::Background;
use crate::buffer::{Pinned, View};
use crate::failure::{Failure, raise};
use crate::hot::{Call, HotCall, function};
use crate::number;
use crate::raw::{Given, Raw, object};
use crate::slot::{Close, Slot};
use crate::text::Text;

/// Doubles in the control block, by index: arguments first, results after them.
const LENGTH: usize = 0;
const TYPE: usize = 1;
const EXPECTED_SEQ: usize = 2;
const FIRST: usize = 3;
const LAST: usize = 4;
const CONTROL_LEN: usize = 5;

/// What the hot calls of one writer share.
pub struct Appender {
    pub writer: Slot<Writer>,
    control: Pinned,
    stage: Pinned,
    text: RefCell<Text>,
}

impl Appender {
    pub fn new(
        env: sys::napi_env,
        writer: Writer,
        control: sys::napi_value,
        stage: sys::napi_value,
    ) -> Result<Self, Failure> {
        let control = Pinned::new(env, control, "control")?;
        if control.doubles() < CONTROL_LEN {
            return Err(Failure::argument(format!("control must have {CONTROL_LEN} doubles")));
        }
        Ok(Self {
            writer: Slot::new("writer", writer),
            control,
            stage: Pinned::new(env, stage, "stage")?,
            text: RefCell::new(Text::new()),
        })
    }

    #[inline]
    fn append(&self, payload: &[u8]) -> Result<(), Failure> {
        let type_id = u16::try_from(self.slot(TYPE)?)
            .map_err(|_| Failure::argument("type must be a whole number from 0 to 65535"))?;
        let expected_seq = number::from_slot(self.control.get(EXPECTED_SEQ));
        let seq = self.writer.with(|writer| {
            Ok(match expected_seq {
                None => writer.append(payload, type_id)?,
                Some(expected_seq) => writer.append_expecting(payload, type_id, expected_seq)?,
            })
        })?;
        self.control.set(FIRST, number::to_js(seq));
        Ok(())
    }

    fn append_batch(&self, payloads: &[u8], table: &[BatchItem], count: usize) -> Result<(), Failure> {
        let items = table.get(..count);
        let items = items.ok_or_else(|| Failure::argument("the table is shorter than the batch"))?;
        let total = items.iter().map(|item| item.length as usize).sum::<usize>();
        let payloads = payloads.get(..total);
        let payloads =
            payloads.ok_or_else(|| Failure::argument("the payloads are shorter than the batch"))?;
        let expected_seq = number::from_slot(self.control.get(EXPECTED_SEQ));
        let (first, last) =
            self.writer.with(|writer| Ok(writer.append_batch(payloads, items, expected_seq)?))?;
        self.control.set(FIRST, number::to_js(first));
        self.control.set(LAST, number::to_js(last));
        Ok(())
    }

    #[inline]
    fn slot(&self, index: usize) -> Result<u64, Failure> {
        number::from_slot(self.control.get(index))
            .ok_or_else(|| Failure::argument("a slot of the control block holds no whole number"))
    }
}

impl Close for Appender {
    fn close(&self) -> Result<(), Failure> {
        self.writer.close()
    }
}

/// `append()`: the payload lies at the start of the stage.
struct AppendStaged;

impl HotCall<0> for AppendStaged {
    type State = Appender;
    const CALL: Call<Appender, 0> = |appender, _env, []| {
        let length = usize::try_from(appender.slot(LENGTH)?).ok();
        let payload = length.and_then(|length| appender.stage.bytes(length));
        appender.append(payload.ok_or_else(|| Failure::argument("the payload is longer than the stage"))?)?;
        Ok(std::ptr::null_mut())
    };
}

/// `appendBytes(payload)`: a payload that the stage is too small for.
struct AppendBytes;

impl HotCall<1> for AppendBytes {
    type State = Appender;
    const CALL: Call<Appender, 1> = |appender, env, [payload]| {
        let payload = View::of(env, payload, "payload")?;
        appender.append(payload.bytes("payload")?)?;
        Ok(std::ptr::null_mut())
    };
}

/// `appendString(payload)`.
struct AppendString;

impl HotCall<1> for AppendString {
    type State = Appender;
    const CALL: Call<Appender, 1> = |appender, env, [payload]| {
        let mut text = appender.text.borrow_mut();
        appender.append(text.encode(env, payload)?)?;
        Ok(std::ptr::null_mut())
    };
}

/// `appendBatch(payloads, table, count)`: payloads end to end, and their lengths and types in pairs.
struct AppendBatch;

impl HotCall<3> for AppendBatch {
    type State = Appender;
    const CALL: Call<Appender, 3> = |appender, env, [payloads, table, count]| {
        let (payloads, table) = (View::of(env, payloads, "payloads")?, View::of(env, table, "table")?);
        let count = usize::try_from(number::unsigned(env, count, "count")?).unwrap_or(usize::MAX);
        appender.append_batch(payloads.bytes("payloads")?, table.batch_items("table")?, count)?;
        Ok(std::ptr::null_mut())
    };
}

/// The one writer of a chronicle.
#[napi]
pub struct NativeWriter {
    appender: Rc<Appender>,
}

impl NativeWriter {
    pub fn new(appender: Rc<Appender>) -> Self {
        Self { appender }
    }
}

#[napi]
impl NativeWriter {
    /// The hot calls. They take their arguments from the control block and leave the first and last seq there.
    #[napi(
        catch_unwind,
        ts_return_type = "{ append: () => void; appendBytes: (payload: Uint8Array) => void; appendString: (payload: string) => void; appendBatch: (payloads: Uint8Array, table: Uint32Array, count: number) => void }"
    )]
    pub fn calls(&self, env: Env) -> napi::Result<Raw> {
        let make = || {
            let (env, appender) = (env.raw(), &self.appender);
            object(
                env,
                &[
                    (c"append", function::<AppendStaged, 0>(env, appender)?),
                    (c"appendBytes", function::<AppendBytes, 1>(env, appender)?),
                    (c"appendString", function::<AppendString, 1>(env, appender)?),
                    (c"appendBatch", function::<AppendBatch, 3>(env, appender)?),
                ],
            )
        };
        raise(&env, make())
    }

    /// The seq that the next append gets.
    #[napi(catch_unwind)]
    pub fn next_seq(&self, env: Env) -> napi::Result<f64> {
        raise(&env, self.appender.writer.with(|writer| Ok(number::to_js(writer.next_seq()))))
    }

    /// Flushes on a thread of the pool. Settles with the durable seq, or with the error to throw.
    #[napi(catch_unwind, ts_return_type = "Promise<number | Error>")]
    pub fn sync(&self, env: Env) -> napi::Result<AsyncTask<Background<f64>>> {
        let durability = self.appender.writer.with(|writer| Ok(writer.durability()));
        let task = |durability: Durability| Background::new(move || durability.sync().map(number::to_js));
        raise(&env, durability.map(task).map(AsyncTask::new))
    }

    /// Claims space for a message of so many zero bytes. Appends are refused until it is published or aborted.
    #[napi(catch_unwind)]
    pub fn open_claim(&self, env: Env, length: i64) -> napi::Result<()> {
        let open = || {
            let length = number::index_from_js("length", length)?;
            self.appender.writer.with(|writer| Ok(writer.open_claim(length)?))
        };
        raise(&env, open())
    }

    /// Copies `bytes` to `offset` of the claimed payload.
    #[napi(catch_unwind, ts_args_type = "offset: number, bytes: Uint8Array")]
    pub fn fill_claim(&self, env: Env, offset: i64, bytes: Given) -> napi::Result<()> {
        let fill = || {
            let offset = number::index_from_js("offset", offset)?;
            let bytes = View::of(env.raw(), bytes.0, "bytes")?;
            let bytes = bytes.bytes("bytes")?;
            self.appender.writer.with(|writer| Ok(writer.fill_claim(offset, bytes)?))
        };
        raise(&env, fill())
    }

    /// Publishes the claimed message and returns its seq.
    #[napi(catch_unwind)]
    pub fn publish_claim(&self, env: Env, type_id: u16) -> napi::Result<f64> {
        let publish = |writer: &mut Writer| Ok(number::to_js(writer.publish_claim(type_id)?));
        raise(&env, self.appender.writer.with(publish))
    }

    /// Gives the claimed space back.
    #[napi(catch_unwind)]
    pub fn abort_claim(&self, env: Env) -> napi::Result<()> {
        let abort = |writer: &mut Writer| {
            writer.abort_claim();
            Ok(())
        };
        raise(&env, self.appender.writer.with(abort))
    }

    /// Gives the writer lock back. The hot calls refuse from now on.
    #[napi(catch_unwind)]
    pub fn close(&self, env: Env) -> napi::Result<()> {
        raise(&env, self.appender.writer.close())
    }
}
