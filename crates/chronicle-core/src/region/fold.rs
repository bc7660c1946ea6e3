//! One pass over mapped memory for its checksum and for a copy. Each byte is loaded once, so what is checked is what is copied.
//!
//! Folding is described by V. Gopal and others in "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel 2009:
//! a block, multiplied by a power of x, is added to the block behind it, and the checksum of all stays what it was.

use std::arch::x86_64::{
    __m512i, _mm_cvtsi32_si128, _mm_set_epi64x, _mm512_broadcast_i32x4, _mm512_clmulepi64_epi128,
    _mm512_loadu_si512, _mm512_storeu_si512, _mm512_ternarylogic_epi64, _mm512_xor_si512,
    _mm512_zextsi128_si512,
};

use crc32fast::Hasher;

use super::{AHEAD, prefetch};
use crate::checksum::shift;

/// Bytes that are folded at once, in four registers.
const BLOCK: usize = 256;
const LINE: usize = 64;

/// What a block is multiplied by: the powers of x by which its two halves lie before the next block. See figure 8 of the paper.
const FAR: [i64; 2] = [power(BLOCK + 4), power(BLOCK - 4)];

/// x to the power of as many bits as `bytes` have, modulo the polynomial, with the lowest bit for the highest power and one place further left.
const fn power(bytes: usize) -> i64 {
    let (mut power, mut times) = (0x8000_0000, 0);
    while times < bytes {
        power = shift(power);
        times += 1;
    }
    (power as i64) << 1
}

/// Takes all whole blocks of `len` bytes at `source`, and with `COPY` stores them to `target`. Returns a hasher that has seen them, and
/// how many bytes that are; none where the processor cannot.
///
/// # Safety
/// `len` bytes at `source` may be loaded, and with `COPY` stored at `target`.
#[inline]
pub(super) unsafe fn fold<const COPY: bool>(
    source: *const u8,
    len: usize,
    target: *mut u8,
) -> Option<(Hasher, usize)> {
    if len < BLOCK || !is_x86_feature_detected!("avx512f") || !is_x86_feature_detected!("vpclmulqdq") {
        return None;
    }
    let len = len & !(BLOCK - 1);
    // SAFETY: the processor can, and the ranges are those that the caller vouches for.
    let folded = unsafe { blocks::<COPY>(source, len, target) };
    // The register is empty: what it held at first has been added to the first block.
    let mut hasher = Hasher::new_with_initial(!0);
    hasher.update(&folded);
    Some((hasher, len))
}

#[target_feature(enable = "avx512f,vpclmulqdq")]
unsafe fn blocks<const COPY: bool>(source: *const u8, len: usize, target: *mut u8) -> [u8; BLOCK] {
    let take = |at: usize| -> __m512i {
        prefetch(source.wrapping_add(at + AHEAD));
        // SAFETY: the line lies inside of `len` bytes.
        unsafe {
            let line = _mm512_loadu_si512(source.add(at).cast());
            if COPY {
                _mm512_storeu_si512(target.add(at).cast(), line);
            }
            line
        }
    };
    let far = _mm512_broadcast_i32x4(_mm_set_epi64x(FAR[1], FAR[0]));
    let mut block = [take(0), take(LINE), take(2 * LINE), take(3 * LINE)];
    block[0] = _mm512_xor_si512(block[0], _mm512_zextsi128_si512(_mm_cvtsi32_si128(!0)));
    for at in (BLOCK..len).step_by(BLOCK) {
        for (index, line) in block.iter_mut().enumerate() {
            let low = _mm512_clmulepi64_epi128::<0x00>(*line, far);
            let high = _mm512_clmulepi64_epi128::<0x11>(*line, far);
            // The sum of all three.
            *line = _mm512_ternarylogic_epi64::<0x96>(low, high, take(at + index * LINE));
        }
    }
    let mut folded = [0; BLOCK];
    for (bytes, line) in folded.as_chunks_mut::<LINE>().0.iter_mut().zip(block) {
        // SAFETY: a line has as many bytes.
        unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), line) }
    }
    folded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BLOCK, fold, power};
    use crate::checksum::crc32;

    #[test]
    fn powers_are_those_of_the_paper() {
        assert_eq!([power((4 * 128 + 32) / 8), power((4 * 128 - 32) / 8)], [0x1_5444_2BD4, 0x1_C6E4_1596]);
    }

    proptest! {
        // Its processor has no such instructions.
        #[cfg_attr(miri, ignore)]
        #[test]
        fn what_is_folded_is_copied_and_has_its_checksum(bytes in prop::collection::vec(any::<u8>(), 0..20_000), skip in 0_usize..64) {
            let bytes = &bytes[skip.min(bytes.len())..];
            let mut copy = vec![0xA5; bytes.len() + 1];
            // SAFETY: both have as many bytes.
            let (checked, copied) = unsafe {
                let checked = fold::<false>(bytes.as_ptr(), bytes.len(), std::ptr::null_mut());
                (checked, fold::<true>(bytes.as_ptr(), bytes.len(), copy.as_mut_ptr()))
            };
            let whole = bytes.len() / BLOCK * BLOCK;
            prop_assert_eq!(checked.is_some(), copied.is_some());
            prop_assert!(whole > 0 || checked.is_none());
            for (mut hasher, done) in checked.into_iter().chain(copied) {
                prop_assert_eq!(done, whole);
                hasher.update(&bytes[done..]);
                prop_assert_eq!(hasher.finalize(), crc32(bytes));
                prop_assert!(copy[..done] == bytes[..done] && copy[done..].iter().all(|byte| *byte == 0xA5));
            }
        }
    }
}
