//! What outsiders can send, each kind as a function of bytes: libFuzzer calls them in its programs (`targets/`), and a test calls them
//! with all that is in `seeds/` and with the repository's own YAML, so that they keep working where libFuzzer is not.
//!
//! A function comes back for any input. It panics where a promise is broken; a crash, a hang or too much memory are libFuzzer's to find.

mod http;
mod model;
mod upstream;
mod xds;

pub use self::http::{http1, http2};
pub use self::model::{edits, mesh};
pub use self::xds::xds;
