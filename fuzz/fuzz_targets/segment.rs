#![no_main]
libfuzzer_sys::fuzz_target!(|input: chronicle_fuzz::SegmentInput| chronicle_fuzz::segment(&input));
