//! The message header and its checksum.

use chronicle_core::{HEADER_LEN, MessageHeader, crc32};
use napi::Env;
use napi::bindgen_prelude::{BigInt, Uint8Array};
use napi_derive::napi;

use crate::buffer::View;
use crate::failure::{Failure, raise};
use crate::number;
use crate::raw::Given;

/// The fields of a message header.
#[napi(object)]
pub struct NativeHeader {
    pub seq: i64,
    pub timestamp_ns: BigInt,
    pub length: u32,
    pub checksum: u32,
    pub type_id: u32,
    pub flags: u32,
    pub batch_remaining: u32,
    pub epoch: u32,
}

impl NativeHeader {
    fn into_core(self) -> Result<MessageHeader, Failure> {
        let (_, timestamp_ns, _) = self.timestamp_ns.get_u64();
        let type_id =
            u16::try_from(self.type_id).map_err(|_| Failure::argument("type must be below 65536"))?;
        let flags = u8::try_from(self.flags).map_err(|_| Failure::argument("flags must be below 256"))?;
        let seq = number::from_js("seq", self.seq)?;
        let mut header = MessageHeader::new(self.length, seq, timestamp_ns, type_id, self.checksum);
        (header.flags, header.batch_remaining, header.epoch) = (flags, self.batch_remaining, self.epoch);
        Ok(header)
    }

    fn from_core(header: &MessageHeader) -> Self {
        Self {
            seq: header.seq.cast_signed(),
            timestamp_ns: BigInt::from(header.timestamp_ns),
            length: header.length,
            checksum: header.checksum,
            type_id: header.type_id.into(),
            flags: header.flags.into(),
            batch_remaining: header.batch_remaining,
            epoch: header.epoch,
        }
    }
}

/// The 64 bytes of a header.
#[napi(catch_unwind)]
pub fn encode_header(env: Env, header: NativeHeader) -> napi::Result<Uint8Array> {
    raise(&env, header.into_core()).map(|header| Uint8Array::from(header.to_bytes().to_vec()))
}

/// Reads and checks the 64 bytes of a header.
#[napi(catch_unwind, ts_args_type = "bytes: Uint8Array")]
pub fn decode_header(env: Env, bytes: Given) -> napi::Result<NativeHeader> {
    let decode = || {
        let view = View::of(env.raw(), bytes.0, "bytes")?;
        let bytes = view.bytes("bytes")?;
        let bytes: &[u8; HEADER_LEN] = bytes.try_into().map_err(|_| {
            Failure::argument(format!("bytes must be {HEADER_LEN} bytes, got {}", bytes.len()))
        })?;
        Ok(NativeHeader::from_core(&MessageHeader::from_bytes(bytes)?))
    };
    raise(&env, decode())
}

/// CRC-32 (ISO-HDLC) of `bytes`.
#[napi(catch_unwind, js_name = "crc32", ts_args_type = "bytes: Uint8Array")]
pub fn checksum(env: Env, bytes: Given) -> napi::Result<u32> {
    let compute = || Ok(crc32(View::of(env.raw(), bytes.0, "bytes")?.bytes("bytes")?));
    raise(&env, compute())
}
