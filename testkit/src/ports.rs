//! Ports for programs that have to be told where they listen.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below those that systems give to connections and to listeners that ask for any (from 32768 on Linux): between the look and the
/// program's start nobody gets one of these by chance.
const FIRST: u32 = 10_000;
const COUNT: u32 = 20_000;

/// Ports of loopback that are free. No port is given to two callers of a process: a program that was told of one may not listen
/// yet, and Envoys share a port instead of refusing it. Processes begin to look at different places.
pub fn free_ports<const N: usize>() -> [u16; N] {
    static LOOKED_AT: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(101);
    std::array::from_fn(|_| {
        loop {
            let step = LOOKED_AT.fetch_add(1, Ordering::Relaxed);
            assert!(step < COUNT, "no port is free");
            let port = u16::try_from(FIRST + begin.wrapping_add(step) % COUNT).unwrap();
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return port;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_the_port_of_another() {
        let ([a, b], [c]) = (free_ports(), free_ports());
        assert!(a != b && a != c && b != c, "{a} {b} {c}");
    }
}
