//! `NativeMmapFile`: a mapped file as plain bytes.

use std::path::Path;

use chronicle_core::MmapFile;
use napi::Env;
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

use crate::buffer::View;
use crate::failure::raise;
use crate::number::{from_js, index_from_js, to_js};
use crate::raw::Given;
use crate::slot::{Close, Slot};

/// A memory-mapped file of fixed length. Bytes are copied in and out: the mapping itself never reaches JavaScript.
#[napi]
pub struct NativeMmapFile {
    file: Slot<MmapFile>,
}

#[napi]
impl NativeMmapFile {
    #[napi(factory, catch_unwind)]
    pub fn create(env: Env, path: String, length: i64) -> napi::Result<Self> {
        let create = || Ok(MmapFile::create(Path::new(&path), from_js("length", length)?)?);
        raise(&env, create()).map(Self::of)
    }

    #[napi(factory, catch_unwind)]
    pub fn open(env: Env, path: String) -> napi::Result<Self> {
        raise(&env, MmapFile::open(Path::new(&path)).map_err(Into::into)).map(Self::of)
    }

    #[napi(catch_unwind)]
    pub fn length(&self, env: Env) -> napi::Result<f64> {
        raise(&env, self.file.with(|file| Ok(to_js(file.len() as u64))))
    }

    /// A copy of `length` bytes at `offset`.
    #[napi(catch_unwind)]
    pub fn read(&self, env: Env, offset: i64, length: i64) -> napi::Result<Uint8Array> {
        let read = || {
            let (offset, length) = (index_from_js("offset", offset)?, index_from_js("length", length)?);
            self.file.with(|file| {
                let bytes = file.range(offset, length)?.to_vec();
                file.intact()?;
                Ok(Uint8Array::from(bytes))
            })
        };
        raise(&env, read())
    }

    /// Copies `bytes` to `offset`.
    #[napi(catch_unwind, ts_args_type = "offset: number, bytes: Uint8Array")]
    pub fn write(&self, env: Env, offset: i64, bytes: Given) -> napi::Result<()> {
        let write = || {
            let offset = index_from_js("offset", offset)?;
            let view = View::of(env.raw(), bytes.0, "bytes")?;
            let bytes = view.bytes("bytes")?;
            self.file.with(|file| {
                file.range_mut(offset, bytes.len())?.copy_from_slice(bytes);
                Ok(file.intact()?)
            })
        };
        raise(&env, write())
    }

    #[napi(catch_unwind)]
    pub fn flush(&self, env: Env) -> napi::Result<()> {
        raise(&env, self.file.with(|file| Ok(file.flush()?)))
    }

    #[napi(catch_unwind)]
    pub fn flush_range(&self, env: Env, offset: i64, length: i64) -> napi::Result<()> {
        let flush = || {
            let (offset, length) = (index_from_js("offset", offset)?, index_from_js("length", length)?);
            self.file.with(|file| Ok(file.flush_range(offset, length)?))
        };
        raise(&env, flush())
    }

    #[napi(catch_unwind)]
    pub fn close(&self, env: Env) -> napi::Result<()> {
        raise(&env, self.file.close())
    }
}

impl NativeMmapFile {
    fn of(file: MmapFile) -> Self {
        Self { file: Slot::new("file", file) }
    }
}
