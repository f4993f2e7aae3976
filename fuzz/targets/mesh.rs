//! libFuzzer's side of [`fuzz::mesh`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::mesh(data));
