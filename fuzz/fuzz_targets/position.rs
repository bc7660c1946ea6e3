#![no_main]
libfuzzer_sys::fuzz_target!(|input: chronicle_fuzz::PositionInput| chronicle_fuzz::position(&input));
