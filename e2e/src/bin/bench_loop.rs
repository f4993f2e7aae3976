//! Measures the control loop.

fn main() {}
