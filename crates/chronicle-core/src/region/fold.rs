//! One pass over mapped memory for its checksum and for a copy. Each byte is loaded once, so what is checked is what is copied.
//!
//! Folding is described by V. Gopal and others in "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel 2009:
//! a block, multiplied by a power of x, is added to the block behind it, and the checksum of all stays what it was.

use std::arch::x86_64::{
    __m512i, _mm_and_si128, _mm_clmulepi64_si128, _mm_cvtsi32_si128, _mm_extract_epi32, _mm_set_epi64x,
    _mm_srli_si128, _mm_xor_si128, _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_xor_si256,
    _mm512_broadcast_i32x4, _mm512_castsi512_si256, _mm512_clmulepi64_epi128, _mm512_extracti64x4_epi64,
    _mm512_loadu_si512, _mm512_maskz_mov_epi64, _mm512_set_epi64, _mm512_storeu_si512,
    _mm512_ternarylogic_epi64, _mm512_xor_si512, _mm512_zextsi128_si512,
};

use super::{AHEAD, prefetch};
use crate::checksum::shift;

/// Bytes of a register: what is folded at once.
const LINE: usize = 64;
/// Bytes that are folded side by side, in four registers.
const BLOCK: usize = 4 * LINE;

/// What the halves of 16 bytes are multiplied by to be added to those that lie so many bytes behind: the powers of x by which they lie
/// before them. See figure 8 of the paper.
const fn by(bytes: usize) -> [i64; 2] {
    [power(bytes + 4), power(bytes - 4)]
}

/// x to the power of as many bits as `bytes` have, modulo the polynomial, with the lowest bit for the highest power and one place further left.
const fn power(bytes: usize) -> i64 {
    let (mut power, mut times) = (0x8000_0000, 0);
    while times < bytes {
        power = shift(power);
        times += 1;
    }
    (power as i64) << 1
}

/// The polynomial, and what a division by it is multiplied by: P(x)' and u' of the paper.
const POLYNOMIAL: i64 = 0x1_DB71_0641;
const QUOTIENT: i64 = 0x1_F701_1641;

/// Takes all whole lines of `len` bytes at `source`, with `FETCH` has those that follow on their way from memory meanwhile, and with
/// `COPY` stores them to `target`. Returns their checksum, and how many bytes that are; none where there is no line, or the processor cannot.
///
/// # Safety
/// `len` bytes at `source` may be loaded, and with `COPY` stored at `target`.
#[inline]
pub(super) unsafe fn fold<const FETCH: bool, const COPY: bool>(
    source: *const u8,
    len: usize,
    target: *mut u8,
) -> Option<(u32, usize)> {
    if len < LINE || !is_x86_feature_detected!("avx512f") || !is_x86_feature_detected!("vpclmulqdq") {
        return None;
    }
    let len = len & !(LINE - 1);
    // SAFETY: the processor can (AVX-512 includes SSE4.1, and VPCLMULQDQ PCLMULQDQ), and the ranges are those that the caller vouches for.
    Some((unsafe { lines::<FETCH, COPY>(source, len, target) }, len))
}

#[target_feature(enable = "avx512f,vpclmulqdq,pclmulqdq,sse4.1")]
unsafe fn lines<const FETCH: bool, const COPY: bool>(source: *const u8, len: usize, target: *mut u8) -> u32 {
    let take = |at: usize| -> __m512i {
        if FETCH {
            prefetch(source.wrapping_add(at + AHEAD));
        }
        // SAFETY: the line lies inside of `len` bytes.
        unsafe {
            let line = _mm512_loadu_si512(source.add(at).cast());
            if COPY {
                _mm512_storeu_si512(target.add(at).cast(), line);
            }
            line
        }
    };
    let first = _mm512_xor_si512(take(0), _mm512_zextsi128_si512(_mm_cvtsi32_si128(!0)));
    let (mut line, mut done) = (first, LINE);
    if len >= BLOCK {
        let mut block = [first, take(LINE), take(2 * LINE), take(3 * LINE)];
        done = BLOCK;
        while len - done >= BLOCK {
            for (index, line) in block.iter_mut().enumerate() {
                *line = add(*line, const { by(BLOCK) }, take(done + index * LINE));
            }
            done += BLOCK;
        }
        line = add(block[2], const { by(LINE) }, block[3]);
        line = add(block[1], const { by(2 * LINE) }, line);
        line = add(block[0], const { by(3 * LINE) }, line);
    }
    while done < len {
        line = add(line, const { by(LINE) }, take(done));
        done += LINE;
    }
    checksum(line)
}

/// Adds a line, multiplied, to one that lies behind it.
#[inline]
#[target_feature(enable = "avx512f,vpclmulqdq")]
fn add(line: __m512i, [low, high]: [i64; 2], behind: __m512i) -> __m512i {
    let by = _mm512_broadcast_i32x4(_mm_set_epi64x(high, low));
    let low = _mm512_clmulepi64_epi128::<0x00>(line, by);
    let high = _mm512_clmulepi64_epi128::<0x11>(line, by);
    // The sum of all three.
    _mm512_ternarylogic_epi64::<0x96>(low, high, behind)
}

/// The checksum of what was folded into one line.
#[inline]
#[target_feature(enable = "avx512f,vpclmulqdq,pclmulqdq,sse4.1")]
fn checksum(line: __m512i) -> u32 {
    const FIRST: [i64; 2] = by(48);
    const SECOND: [i64; 2] = by(32);
    const THIRD: [i64; 2] = by(16);
    // Each quarter is added to the last one.
    let by = _mm512_set_epi64(0, 0, THIRD[1], THIRD[0], SECOND[1], SECOND[0], FIRST[1], FIRST[0]);
    let low = _mm512_clmulepi64_epi128::<0x00>(line, by);
    let high = _mm512_clmulepi64_epi128::<0x11>(line, by);
    let last = _mm512_maskz_mov_epi64(0b1100_0000, line);
    let sums = _mm512_ternarylogic_epi64::<0x96>(low, high, last);
    let folded = _mm256_xor_si256(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64::<1>(sums));
    let sum = _mm_xor_si128(_mm256_castsi256_si128(folded), _mm256_extracti128_si256::<1>(folded));
    // Of 128 bits, and four zeros behind them, to 64; and by the division of Barrett to 32: steps 4 to 6 of the paper.
    let word = _mm_set_epi64x(0, 0xFFFF_FFFF);
    let halved = _mm_clmulepi64_si128::<0x10>(sum, _mm_set_epi64x(THIRD[1], 0));
    let halved = _mm_xor_si128(halved, _mm_srli_si128::<8>(sum));
    let quartered =
        _mm_clmulepi64_si128::<0x00>(_mm_and_si128(halved, word), _mm_set_epi64x(0, const { power(8) }));
    let quartered = _mm_xor_si128(quartered, _mm_srli_si128::<4>(halved));
    let division = _mm_set_epi64x(QUOTIENT, POLYNOMIAL);
    let quotient = _mm_clmulepi64_si128::<0x10>(_mm_and_si128(quartered, word), division);
    let product = _mm_clmulepi64_si128::<0x00>(_mm_and_si128(quotient, word), division);
    !_mm_extract_epi32::<1>(_mm_xor_si128(product, quartered)).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BLOCK, LINE, by, fold};
    use crate::checksum::crc32;

    #[test]
    fn powers_are_those_of_the_paper() {
        assert_eq!(by(4 * 128 / 8), [0x1_5444_2BD4, 0x1_C6E4_1596]);
        assert_eq!(by(128 / 8), [0x1_7519_97D0, 0x0_CCAA_009E]);
    }

    #[cfg_attr(miri, ignore)]
    #[test]
    fn each_number_of_lines_up_to_some_blocks_has_its_checksum() {
        let bytes: Vec<u8> = (0..=250).cycle().take(6 * BLOCK).collect();
        for len in 0..bytes.len() {
            // SAFETY: there are more bytes, and none is stored.
            let folded = unsafe { fold::<false, false>(bytes.as_ptr(), len, std::ptr::null_mut()) };
            let (checksum, done) = folded.unwrap_or_default();
            assert_eq!(checksum, crc32(&bytes[..done]), "{len}");
        }
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
                let checked = fold::<true, false>(bytes.as_ptr(), bytes.len(), std::ptr::null_mut());
                (checked, fold::<false, true>(bytes.as_ptr(), bytes.len(), copy.as_mut_ptr()))
            };
            let whole = bytes.len() / LINE * LINE;
            prop_assert_eq!(checked.is_some(), copied.is_some());
            prop_assert!(whole > 0 || checked.is_none());
            for (checksum, done) in checked.into_iter().chain(copied) {
                prop_assert_eq!(done, whole);
                prop_assert_eq!(checksum, crc32(&bytes[..done]));
                prop_assert!(copy[..done] == bytes[..done] && copy[done..].iter().all(|byte| *byte == 0xA5));
            }
        }
    }
}
