//! Ports for programs that have to be told where they listen.

use std::net::{Ipv4Addr, TcpListener};

/// Below those that systems give to connections and to listeners that ask for any (from 32768 on Linux): between the look and the
/// program's start nobody gets one of these by chance.
const FIRST: u32 = 10_000;
const COUNT: u32 = 20_000;

/// Ports of loopback that are free, no two of them the same. Processes begin to look at different places.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let begin = std::process::id().wrapping_mul(101);
    let mut held = Vec::with_capacity(N);
    for step in 0..COUNT {
        let port = u16::try_from(FIRST + begin.wrapping_add(step) % COUNT).unwrap();
        // All are held until all are known.
        held.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
        if held.len() == N {
            break;
        }
    }
    let ports: Vec<_> = held.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
    ports.try_into().unwrap()
}
