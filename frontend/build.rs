//! Tells the linker to keep the list of features that the program was compiled with.
//!
//! Stripping, which the `wasm` profile asks for, would drop it, and wasm-bindgen goes by it to write the
//! better of its two kinds of glue.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("wasm32") {
        println!("cargo::rustc-link-arg-bins=--keep-section=target_features");
    }
}
