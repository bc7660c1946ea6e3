#![no_main]
libfuzzer_sys::fuzz_target!(|input: Vec<chronicle_fuzz::Op>| chronicle_fuzz::operations(&input));
