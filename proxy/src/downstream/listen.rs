//! Listening sockets: one per thread on the same port where the kernel shares connections out, one for all elsewhere.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted, per socket. The kernel caps it at its own limit.
const BACKLOG: i32 = 4096;

/// Sockets for `threads` threads on the first of these addresses that is free, with that address.
///
/// Port 0 is any free port. An address that someone else listens on is not free, even where the kernel would let two
/// programs of the same user share it.
pub(crate) fn listen(
    addresses: &[SocketAddr],
    threads: usize,
) -> Result<(Vec<TcpListener>, SocketAddr), (SocketAddr, io::Error)> {
    let mut refused = None;
    for &address in addresses {
        match listen_on(address, threads) {
            Ok(listening) => return Ok(listening),
            Err(error) => refused.get_or_insert((address, error)),
        };
    }
    Err(refused.unwrap_or_else(|| {
        let none = io::Error::new(io::ErrorKind::InvalidInput, "no address to listen on was given");
        (SocketAddr::from(([0, 0, 0, 0], 0)), none)
    }))
}

fn listen_on(address: SocketAddr, threads: usize) -> io::Result<(Vec<TcpListener>, SocketAddr)> {
    let shared = cfg!(target_os = "linux") && threads > 1;
    if shared && address.port() != 0 {
        // With SO_REUSEPORT set the kernel would not tell that another process listens here already.
        socket(address, false)?;
    }
    let first = socket(address, shared)?;
    let bound = first.local_addr()?;
    let mut sockets = vec![first];
    while sockets.len() < threads {
        sockets.push(if shared { socket(bound, true)? } else { sockets[0].try_clone()? });
    }
    Ok((sockets, bound))
}

fn socket(address: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // On Windows this option would let another process take the port over.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    #[cfg(target_os = "linux")]
    socket.set_reuse_port(reuse_port)?;
    #[cfg(not(target_os = "linux"))]
    let _ = reuse_port;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::listen;

    #[test]
    fn a_taken_port_is_left_alone() {
        let any = "127.0.0.1:0".parse().unwrap();
        let (held, taken) = listen(&[any], 2).unwrap();
        assert_eq!(held.len(), 2);
        let (_, other) = listen(&[taken, any], 2).unwrap();
        assert_ne!(other, taken);
        let (address, error) = listen(&[taken], 1).unwrap_err();
        assert_eq!((address, error.kind()), (taken, std::io::ErrorKind::AddrInUse));
    }
}
