//! The designer in the browser.

fn main() {}
