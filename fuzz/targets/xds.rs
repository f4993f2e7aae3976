//! libFuzzer's side of [`fuzz::xds`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::xds(data));
