//! The designer server.

fn main() {}
