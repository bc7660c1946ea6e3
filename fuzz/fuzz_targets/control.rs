#![no_main]
libfuzzer_sys::fuzz_target!(|input: chronicle_fuzz::ControlInput| chronicle_fuzz::control(&input));
