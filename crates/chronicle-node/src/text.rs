//! JavaScript strings as UTF-8, as `TextEncoder` makes it: a lone surrogate becomes U+FFFD.
#![expect(unsafe_code, reason = "has N-API write strings into a buffer")]

use std::ptr;

use chronicle_core::MAX_PAYLOAD_LEN;
use napi::sys;

use crate::failure::Failure;

/// Strings shorter than this are copied as UTF-16 and narrowed here, which costs half of what N-API takes for UTF-8.
const SHORT: usize = 512;
/// What the buffer for long strings keeps between calls.
const KEPT: usize = 256 << 10;

/// The buffers that strings are written to, used again by each call.
pub struct Text {
    wide: Box<[u16; SHORT]>,
    utf8: Vec<u8>,
}

impl Text {
    pub fn new() -> Self {
        Self { wide: Box::new([0; SHORT]), utf8: Vec::with_capacity(4 * SHORT) }
    }

    /// The UTF-8 of `value`, good until the next call.
    #[inline]
    pub fn encode(&mut self, env: sys::napi_env, value: sys::napi_value) -> Result<&[u8], Failure> {
        let mut length = 0;
        // SAFETY: `value` is an argument of the running call; N-API writes at most `SHORT` units, the last one a zero.
        let status = unsafe {
            sys::napi_get_value_string_utf16(env, value, self.wide.as_mut_ptr(), SHORT, &raw mut length)
        };
        if status != sys::Status::napi_ok {
            return Err(Failure::argument("payload must be a string"));
        }
        if length >= SHORT - 1 {
            // The buffer is full, so there may be more.
            return self.encode_long(env, value);
        }
        self.narrow(length);
        Ok(&self.utf8)
    }

    #[inline]
    fn narrow(&mut self, length: usize) {
        let wide = &self.wide[..length];
        self.utf8.clear();
        if wide.iter().fold(0, |all, unit| all | unit) < 0x80 {
            #[expect(clippy::cast_possible_truncation, reason = "every unit is below 0x80")]
            self.utf8.extend(wide.iter().map(|&unit| unit as u8));
            return;
        }
        for unit in char::decode_utf16(wide.iter().copied()) {
            let char = unit.unwrap_or(char::REPLACEMENT_CHARACTER);
            self.utf8.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    #[cold]
    fn encode_long(&mut self, env: sys::napi_env, value: sys::napi_value) -> Result<&[u8], Failure> {
        let mut length = 0;
        // SAFETY: without a buffer N-API only counts.
        let status =
            unsafe { sys::napi_get_value_string_utf8(env, value, ptr::null_mut(), 0, &raw mut length) };
        if status != sys::Status::napi_ok || length > MAX_PAYLOAD_LEN {
            return Err(Failure::argument(format!("payload has {length} bytes as UTF-8, the most is 1 GiB")));
        }
        self.utf8.clear();
        if self.utf8.capacity() > KEPT {
            self.utf8.shrink_to(KEPT);
        }
        // One more byte for the zero that N-API ends the string with.
        self.utf8
            .try_reserve(length + 1)
            .map_err(|_| Failure::argument(format!("no memory for a payload of {length} bytes")))?;
        let mut written = 0;
        // SAFETY: `length + 1` bytes are reserved, and N-API writes no more than that. What it has written is initialised.
        unsafe {
            let buffer = self.utf8.as_mut_ptr().cast();
            sys::napi_get_value_string_utf8(env, value, buffer, length + 1, &raw mut written);
            self.utf8.set_len(written.min(length));
        }
        Ok(&self.utf8)
    }
}
