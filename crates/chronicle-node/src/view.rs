//! Runs of messages that stay where they lie: the calls of a reader that hands out views of mapped segments.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use chronicle_core::{Entry, Reader, View as Mapped};
use napi::sys;

use crate::buffer::{self, View};
use crate::failure::Failure;
use crate::hot::{Call, HotCall, function};
use crate::number;
use crate::raw::{Raw, double, object};
use crate::slot::Slot;

/// A reader, and the view that JavaScript has a buffer of.
pub struct Viewer {
    reader: Rc<Slot<Reader>>,
    handed: RefCell<Weak<Mapped>>,
}

/// The calls, or `None` where the runtime lets no native code own the memory of a buffer.
pub fn calls(env: sys::napi_env, reader: &Rc<Slot<Reader>>) -> Result<Option<Raw>, Failure> {
    if !buffer::allows_external(env) {
        return Ok(None);
    }
    let viewer = Rc::new(Viewer { reader: Rc::clone(reader), handed: RefCell::default() });
    object(
        env,
        &[
            (c"poll", function::<PollView, 1>(env, &viewer)?),
            (c"pollBack", function::<PollViewBack, 1>(env, &viewer)?),
            (c"buffer", function::<Buffer, 0>(env, &viewer)?),
        ],
    )
    .map(Some)
}

impl Viewer {
    fn poll(
        &self,
        env: sys::napi_env,
        entries: sys::napi_value,
        fill: impl FnOnce(&mut Reader, &mut [Entry]) -> chronicle_core::Result<usize>,
    ) -> Result<sys::napi_value, Failure> {
        let mut entries = View::of(env, entries, "entries")?;
        let entries = entries.entries_mut("entries")?;
        let (count, same) = self.reader.with(|reader| {
            let count = fill(reader, entries)?;
            let handed = self.handed.borrow();
            Ok((count, reader.view().is_some_and(|view| handed.as_ptr() == Arc::as_ptr(view))))
        })?;
        let count = number::to_js(count as u64);
        Ok(double(env, if same { count } else { -count }).0)
    }
}

/// `poll(entries)`.
struct PollView;

impl HotCall<1> for PollView {
    type State = Viewer;
    const CALL: Call<Viewer, 1> = |viewer, env, [entries]| viewer.poll(env, entries, Reader::poll_view);
}

/// `pollBack(entries)`.
struct PollViewBack;

impl HotCall<1> for PollViewBack {
    type State = Viewer;
    const CALL: Call<Viewer, 1> = |viewer, env, [entries]| viewer.poll(env, entries, Reader::poll_view_back);
}

/// `buffer()`.
struct Buffer;

impl HotCall<0> for Buffer {
    type State = Viewer;
    const CALL: Call<Viewer, 0> = |viewer, env, []| {
        let view = viewer.reader.with(|reader| Ok(reader.view().map(Arc::clone)))?;
        let view = view.ok_or_else(|| Failure::argument("nothing was polled yet"))?;
        let buffer = buffer::external(env, &view)?;
        *viewer.handed.borrow_mut() = Arc::downgrade(&view);
        Ok(buffer)
    };
}
