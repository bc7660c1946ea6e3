#![no_main]
libfuzzer_sys::fuzz_target!(|input: chronicle_fuzz::IndexInput| chronicle_fuzz::index(&input));
