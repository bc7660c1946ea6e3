//! The memory of typed arrays that JavaScript hands over for the time of one call.
#![expect(unsafe_code, reason = "borrows the memory of typed arrays")]

use std::ffi::c_void;
use std::ptr;
use std::slice;
use std::sync::Arc;

use chronicle_core::{BatchItem, Entry, View as Mapped};
use napi::sys;

use crate::failure::Failure;

/// The memory of a typed array, as it was when the call began. No JavaScript runs until the call ends, so it stays.
pub struct View {
    data: *mut c_void,
    bytes: usize,
    kind: sys::napi_typedarray_type,
    shared: bool,
}

impl View {
    /// Looks at `value`. A detached array is an empty one. Memory that other threads may write to is told apart.
    pub fn of(env: sys::napi_env, value: sys::napi_value, name: &str) -> Result<Self, Failure> {
        let (mut kind, mut length, mut data) = (0, 0, ptr::null_mut());
        let mut buffer = ptr::null_mut();
        // SAFETY: `value` is an argument of the running call, and the out-pointers outlive the call.
        let status = unsafe {
            sys::napi_get_typedarray_info(
                env,
                value,
                &raw mut kind,
                &raw mut length,
                &raw mut data,
                &raw mut buffer,
                ptr::null_mut(),
            )
        };
        if status != sys::Status::napi_ok {
            return Err(Failure::argument(format!("{name} must be a typed array")));
        }
        let mut plain = false;
        // SAFETY: `buffer` was just set by N-API; it is an `ArrayBuffer` or a `SharedArrayBuffer`.
        unsafe { sys::napi_is_arraybuffer(env, buffer, &raw mut plain) };
        let bytes = length * element_size(kind);
        // An empty array may have any pointer, none included.
        Ok(Self { data: if bytes == 0 { ptr::null_mut() } else { data }, bytes, kind, shared: !plain })
    }

    /// The bytes of a `Uint8Array` that no other thread can write to.
    pub fn bytes(&self, name: &str) -> Result<&[u8], Failure> {
        self.expect_kind(sys::TypedarrayType::uint8_array, name, "Uint8Array")?;
        if self.bytes == 0 {
            return Ok(&[]);
        }
        // SAFETY: not shared, so only this thread could write, and it runs native code until the borrow ends.
        Ok(unsafe { slice::from_raw_parts(self.data.cast(), self.bytes) })
    }

    /// The bytes of a `Uint8Array` to write to, in memory that no other thread can reach.
    pub fn bytes_mut(&mut self, name: &str) -> Result<&mut [u8], Failure> {
        self.expect_kind(sys::TypedarrayType::uint8_array, name, "Uint8Array")?;
        if self.bytes == 0 {
            return Ok(&mut []);
        }
        // SAFETY: as in `bytes`; callers with two views make sure by `overlaps` that they are apart.
        Ok(unsafe { slice::from_raw_parts_mut(self.data.cast(), self.bytes) })
    }

    /// The words of a `Uint32Array` that no other thread can write to, as the table of a batch: a length and a type for each message.
    pub fn batch_items(&self, name: &str) -> Result<&[BatchItem], Failure> {
        let (items, count) = self.rows(name)?;
        if count == 0 {
            return Ok(&[]);
        }
        // SAFETY: as in `bytes`; aligned as `rows` checks, and a `BatchItem` is eight bytes of plain integers.
        Ok(unsafe { slice::from_raw_parts(items, count) })
    }

    /// The words of a `Uint32Array` as the table that `poll` fills: eight words an entry.
    pub fn entries_mut(&mut self, name: &str) -> Result<&mut [Entry], Failure> {
        let (entries, count) = self.rows(name)?;
        if count == 0 {
            return Ok(&mut []);
        }
        // SAFETY: as in `bytes_mut`; aligned as `rows` checks, and an `Entry` is 32 bytes of plain integers.
        Ok(unsafe { slice::from_raw_parts_mut(entries, count) })
    }

    /// Where the rows of a table in a `Uint32Array` start, and how many there are.
    fn rows<T>(&self, name: &str) -> Result<(*mut T, usize), Failure> {
        self.expect_kind(sys::TypedarrayType::uint32_array, name, "Uint32Array")?;
        let rows: *mut T = self.data.cast();
        if !rows.is_aligned() {
            return Err(Failure::argument(format!(
                "{name} must start at a multiple of {} bytes",
                align_of::<T>()
            )));
        }
        Ok((rows, self.bytes / size_of::<T>()))
    }

    /// Whether both lie in the same bytes.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (start, end) = (self.data.addr(), self.data.addr() + self.bytes);
        let (other_start, other_end) = (other.data.addr(), other.data.addr() + other.bytes);
        start < other_end && other_start < end
    }

    fn expect_kind(&self, kind: sys::napi_typedarray_type, name: &str, wanted: &str) -> Result<(), Failure> {
        if self.kind != kind {
            return Err(Failure::argument(format!("{name} must be a {wanted}")));
        }
        if self.shared {
            return Err(Failure::argument(format!("{name} must not lie in a SharedArrayBuffer")));
        }
        Ok(())
    }
}

/// Whether this runtime lets native code own the memory of an `ArrayBuffer`.
pub fn allows_external(env: sys::napi_env) -> bool {
    static mut PROBE: [u64; 1] = [0];
    let mut buffer = ptr::null_mut();
    // SAFETY: the probe lives for ever, and nobody keeps the buffer to store to it.
    let status = unsafe {
        let data = (&raw mut PROBE).cast();
        sys::napi_create_external_arraybuffer(env, data, 8, Some(forget), ptr::null_mut(), &raw mut buffer)
    };
    status == sys::Status::napi_ok
}

unsafe extern "C" fn forget(_env: sys::napi_env, _data: *mut c_void, _hint: *mut c_void) {}

/// An `ArrayBuffer` over a view, which stays mapped for as long as the buffer is held. The engine counts all of it as memory, and takes
/// all of it off before it calls `release`: had anything been taken off before, it would end the process over a count below zero.
pub fn external(env: sys::napi_env, view: &Arc<Mapped>) -> Result<sys::napi_value, Failure> {
    let (data, length) = (view.address().cast(), view.len());
    let held = Arc::into_raw(Arc::clone(view)).cast_mut().cast::<c_void>();
    let mut buffer = ptr::null_mut();
    // SAFETY: the mapping is private to this process and may be stored to; `held` keeps it until `release` gives it back.
    let status = unsafe {
        sys::napi_create_external_arraybuffer(env, data, length, Some(release), held, &raw mut buffer)
    };
    if status != sys::Status::napi_ok {
        // SAFETY: no buffer was made, so nobody else gives this share back.
        drop(unsafe { Arc::from_raw(held.cast_const().cast::<Mapped>()) });
        return Err(Failure::argument("the runtime takes no external memory"));
    }
    Ok(buffer)
}

unsafe extern "C" fn release(_env: sys::napi_env, _data: *mut c_void, hint: *mut c_void) {
    // SAFETY: the share that `external` gave away; a finalizer runs once, when no view of the buffer is left.
    drop(unsafe { Arc::from_raw(hint.cast_const().cast::<Mapped>()) });
}

/// Memory in a `SharedArrayBuffer`, which can neither be detached nor move: its address stays good for as long as a
/// reference to the array is held, so a call may read it without asking for it again.
pub struct Pinned {
    data: *mut c_void,
    bytes: usize,
    env: sys::napi_env,
    reference: sys::napi_ref,
}

impl Pinned {
    pub fn new(env: sys::napi_env, value: sys::napi_value, name: &str) -> Result<Self, Failure> {
        let view = View::of(env, value, name)?;
        if !view.shared || view.bytes == 0 || !view.data.addr().is_multiple_of(8) {
            return Err(Failure::argument(format!(
                "{name} must lie in a SharedArrayBuffer, aligned to eight bytes"
            )));
        }
        let mut reference = ptr::null_mut();
        // SAFETY: `value` is a typed array of the running call.
        let status = unsafe { sys::napi_create_reference(env, value, 1, &raw mut reference) };
        if status != sys::Status::napi_ok {
            return Err(Failure::argument(format!("{name} cannot be held")));
        }
        Ok(Self { data: view.data, bytes: view.bytes, env, reference })
    }

    pub fn doubles(&self) -> usize {
        self.bytes / 8
    }

    /// The first `length` bytes.
    #[inline]
    pub fn bytes(&self, length: usize) -> Option<&[u8]> {
        // SAFETY: the reference keeps the memory, `length` is inside of it, and the array never leaves the object that
        // made it, so that its thread, which is in this call, is the only one that writes to it.
        (length <= self.bytes).then(|| unsafe { slice::from_raw_parts(self.data.cast(), length) })
    }

    /// The double at `index`.
    #[inline]
    pub fn get(&self, index: usize) -> f64 {
        assert!(index < self.bytes / 8);
        // SAFETY: inside of the memory by the check above and aligned by the check of `new`.
        unsafe { self.data.cast::<f64>().add(index).read() }
    }

    /// Stores a double at `index`.
    #[inline]
    pub fn set(&self, index: usize, value: f64) {
        assert!(index < self.bytes / 8);
        // SAFETY: as in `get`.
        unsafe { self.data.cast::<f64>().add(index).write(value) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: dropped on the thread of `env` only: by a finalizer, or by a call that failed.
        unsafe { sys::napi_delete_reference(self.env, self.reference) };
    }
}

const fn element_size(kind: sys::napi_typedarray_type) -> usize {
    match kind {
        sys::TypedarrayType::int16_array | sys::TypedarrayType::uint16_array => 2,
        sys::TypedarrayType::int32_array
        | sys::TypedarrayType::uint32_array
        | sys::TypedarrayType::float32_array => 4,
        sys::TypedarrayType::float64_array
        | sys::TypedarrayType::bigint64_array
        | sys::TypedarrayType::biguint64_array => 8,
        _ => 1,
    }
}
