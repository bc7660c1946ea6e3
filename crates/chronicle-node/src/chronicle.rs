//! `NativeChronicle`: opens a log and hands out what works on it.

use std::cell::RefCell;
use std::path::Path;
use std::rc::{Rc, Weak};
use std::time::Duration;

use chronicle_core::{Chronicle, From, Reader};
use napi::Env;
use napi::bindgen_prelude::{AsyncTask, BigInt, Either3, Function};
use napi_derive::napi;

use crate::background::Background;
use crate::event::{self, NativeEvent};
use crate::failure::{Failure, raise};
use crate::number;
use crate::options::{NativeOptions, NativeRetention, duration};
use crate::progress::NativeProgress;
use crate::raw::Given;
use crate::reader::NativeReader;
use crate::slot::{Close, Slot};
use crate::stats::{NativeReaderInfo, NativeStats};
use crate::waiter::NativeWaiter;
use crate::writer::{Appender, NativeWriter};

/// What a prune removed, or would remove.
#[napi(object, object_from_js = false)]
pub struct NativePruneReport {
    pub segments: f64,
    pub bytes: f64,
    pub first_seq: f64,
}

/// What a snapshot holds.
#[napi(object, object_from_js = false)]
pub struct NativeSnapshotReport {
    pub first_seq: f64,
    pub next_seq: f64,
    pub segments: f64,
    pub bytes: f64,
}

/// An open chronicle. Closing it closes every writer and reader that it handed out.
#[napi]
pub struct NativeChronicle {
    chronicle: Slot<Chronicle>,
    children: RefCell<Vec<Weak<dyn Close>>>,
}

#[napi]
impl NativeChronicle {
    #[napi(factory, catch_unwind)]
    pub fn open(env: Env, dir: String, options: NativeOptions) -> napi::Result<Self> {
        let open = || Ok(Chronicle::open(Path::new(&dir), &options.into_core()?)?);
        raise(&env, open()).map(|chronicle| Self {
            chronicle: Slot::new("chronicle", chronicle),
            children: RefCell::default(),
        })
    }

    #[napi(catch_unwind)]
    pub fn first_seq(&self, env: Env) -> napi::Result<f64> {
        raise(&env, self.chronicle.with(|chronicle| Ok(number::to_js(chronicle.first_seq()?))))
    }

    #[napi(catch_unwind)]
    pub fn next_seq(&self, env: Env) -> napi::Result<f64> {
        raise(&env, self.chronicle.with(|chronicle| Ok(number::to_js(chronicle.next_seq()?))))
    }

    #[napi(catch_unwind)]
    pub fn durable_seq(&self, env: Env) -> napi::Result<f64> {
        raise(&env, self.chronicle.with(|chronicle| Ok(number::to_js(chronicle.durable_seq()?))))
    }

    #[napi(catch_unwind)]
    pub fn stats(&self, env: Env) -> napi::Result<NativeStats> {
        raise(&env, self.chronicle.with(|chronicle| Ok(NativeStats::from_core(chronicle.stats()?))))
    }

    /// Takes the writer lock, trying for `wait_ms`, which blocks this thread. `control` (five doubles: length, type,
    /// expected seq or -1, first seq, last seq) and `stage` lie in memory that cannot be detached; the hot calls use both.
    #[napi(catch_unwind, ts_args_type = "waitMs: number, control: Float64Array, stage: Uint8Array")]
    pub fn writer(&self, env: Env, wait_ms: f64, control: Given, stage: Given) -> napi::Result<NativeWriter> {
        let make = || {
            let wait = duration("wait", wait_ms)?;
            let writer = self.chronicle.with(|chronicle| Ok(chronicle.writer(wait)?))?;
            let appender = Rc::new(Appender::new(env.raw(), writer, control.0, stage.0)?);
            let child: Rc<dyn Close> = Rc::<Appender>::clone(&appender);
            self.adopt(&child);
            Ok(NativeWriter::new(appender))
        };
        raise(&env, make())
    }

    /// A reader at the start, at the end, at a seq, this many (a negative number) before the end, or at the first message
    /// that is not older than so many nanoseconds since the Unix epoch (a bigint).
    #[napi(catch_unwind, ts_args_type = "from: 'start' | 'end' | number | bigint, durableOnly: boolean")]
    pub fn reader(
        &self,
        env: Env,
        from: Either3<String, i64, BigInt>,
        durable_only: bool,
    ) -> napi::Result<NativeReader> {
        let open = |from, chronicle: &Chronicle| Ok(chronicle.reader(from)?);
        raise(&env, place(&from).and_then(|from| self.read(durable_only, |chronicle| open(from, chronicle))))
    }

    /// The reader of this name, which goes on behind what it has committed; a new name starts at `newFrom`.
    #[napi(
        catch_unwind,
        ts_args_type = "name: string, newFrom: 'start' | 'end' | number | bigint, durableOnly: boolean"
    )]
    pub fn named_reader(
        &self,
        env: Env,
        name: String,
        new_from: Either3<String, i64, BigInt>,
        durable_only: bool,
    ) -> napi::Result<NativeReader> {
        let open = |from, chronicle: &Chronicle| Ok(chronicle.named_reader(&name, from)?);
        raise(
            &env,
            place(&new_from).and_then(|from| self.read(durable_only, |chronicle| open(from, chronicle))),
        )
    }

    /// Every named reader, in order of their names.
    #[napi(catch_unwind)]
    pub fn readers(&self, env: Env) -> napi::Result<Vec<NativeReaderInfo>> {
        let readers = self.chronicle.with(|chronicle| Ok(chronicle.readers()?));
        raise(&env, readers.map(|readers| readers.into_iter().map(NativeReaderInfo::from_core).collect()))
    }

    /// Forgets a named reader.
    #[napi(catch_unwind)]
    pub fn remove_reader(&self, env: Env, name: String) -> napi::Result<()> {
        raise(&env, self.chronicle.with(|chronicle| Ok(chronicle.remove_reader(&name)?)))
    }

    /// Moves a named reader that nobody uses, or makes one: it reads `seq` next.
    #[napi(catch_unwind)]
    pub fn set_reader(&self, env: Env, name: String, seq: i64) -> napi::Result<()> {
        let set = || {
            let seq = number::from_js("seq", seq)?;
            self.chronicle.with(|chronicle| Ok(chronicle.set_reader(&name, seq)?))
        };
        raise(&env, set())
    }

    /// Removes the segments that `retention` does not keep, or only says which.
    #[napi(catch_unwind)]
    pub fn prune(
        &self,
        env: Env,
        retention: NativeRetention,
        dry_run: bool,
    ) -> napi::Result<NativePruneReport> {
        let prune = || {
            let retention = retention.into_core()?;
            let report = self.chronicle.with(|chronicle| Ok(chronicle.prune(&retention, dry_run)?))?;
            Ok(NativePruneReport {
                segments: number::to_js(report.segments),
                bytes: number::to_js(report.bytes),
                first_seq: number::to_js(report.first_seq),
            })
        };
        raise(&env, prune())
    }

    /// Copies what is published now to a new directory. Settles with the report, or with the error to throw.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeSnapshotReport | Error>")]
    pub fn snapshot(
        &self,
        env: Env,
        dir: String,
        progress: &NativeProgress,
    ) -> napi::Result<AsyncTask<Background<NativeSnapshotReport>>> {
        let (log, watch) = (self.chronicle.with(|chronicle| Ok(chronicle.clone())), progress.share());
        let task = |log: Chronicle| {
            Background::new(move || {
                log.snapshot(Path::new(&dir), &watch).map(|report| NativeSnapshotReport {
                    first_seq: number::to_js(report.first_seq),
                    next_seq: number::to_js(report.next_seq),
                    segments: number::to_js(report.segments),
                    bytes: number::to_js(report.bytes),
                })
            })
        };
        raise(&env, log.map(task).map(AsyncTask::new))
    }

    /// Calls `tell` in a later turn with each roll, prune and flush of this opening. The first function stays.
    #[napi(catch_unwind)]
    pub fn observe(&self, env: Env, tell: Function<'_, NativeEvent, ()>) -> napi::Result<()> {
        raise(&env, self.chronicle.with(|chronicle| event::observe(chronicle, &tell)))
    }

    /// Starts a thread that calls `notify` when there may be new messages, and looks by itself every `period_ms`. It keeps no
    /// process alive.
    #[napi(catch_unwind)]
    pub fn waiter(
        &self,
        env: Env,
        notify: Function<'_, (), ()>,
        period_ms: u32,
    ) -> napi::Result<NativeWaiter> {
        let period = Duration::from_millis(period_ms.into());
        let handle = self.chronicle.with(|chronicle| Ok(chronicle.wait_handle()));
        raise(&env, handle.and_then(|handle| NativeWaiter::start(env, handle, &notify, period)))
    }

    /// Closes this and all that it handed out.
    #[napi(catch_unwind)]
    pub fn close(&self, env: Env) -> napi::Result<()> {
        let mut result = Ok(());
        for child in self.children.take().iter().filter_map(Weak::upgrade) {
            result = result.and(child.close());
        }
        raise(&env, result.and(self.chronicle.close()))
    }
}

impl NativeChronicle {
    fn read(
        &self,
        durable_only: bool,
        open: impl FnOnce(&Chronicle) -> Result<Reader, Failure>,
    ) -> Result<NativeReader, Failure> {
        let reader = self.chronicle.with(|chronicle| open(chronicle))?;
        let reader = Rc::new(Slot::new("reader", if durable_only { reader.durable_only() } else { reader }));
        let child: Rc<dyn Close> = Rc::<Slot<_>>::clone(&reader);
        self.adopt(&child);
        Ok(NativeReader::new(reader))
    }

    fn adopt(&self, child: &Rc<dyn Close>) {
        let mut children = self.children.borrow_mut();
        if children.len() == children.capacity() {
            // Only when the list would grow, so that a long life of short readers costs no more than a short one.
            children.retain(|child| child.strong_count() > 0);
        }
        children.push(Rc::downgrade(child));
    }
}

fn place(from: &Either3<String, i64, BigInt>) -> Result<From, Failure> {
    match from {
        Either3::A(name) if name == "start" => Ok(From::Start),
        Either3::A(name) if name == "end" => Ok(From::End),
        Either3::A(name) => Err(Failure::argument(format!("from must not be {name:?}"))),
        Either3::B(number) => {
            Ok(u64::try_from(*number).map_or_else(|_| From::Last(number.unsigned_abs()), From::Seq))
        }
        Either3::C(timestamp_ns) => match timestamp_ns.get_u64() {
            (false, timestamp_ns, true) => Ok(From::Time(timestamp_ns)),
            _ => Err(Failure::argument("from must be nanoseconds since the Unix epoch, below 2^64")),
        },
    }
}
