#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| endpoints_fuzz::headers::run(data));
