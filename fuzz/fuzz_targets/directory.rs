#![no_main]
libfuzzer_sys::fuzz_target!(|input: chronicle_fuzz::Damaged| chronicle_fuzz::directory(&input));
