//! Loopback ports between the library and the gate.
//!
//! Where all of 127.0.0.0/8 is this machine, an address in it is chosen at random, so that other
//! processes cannot guess it and no port is used twice.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};

use tokio::net::TcpListener;

/// How many ports to try until one is not taken.
const PORT_ATTEMPTS: usize = 32;

/// An address that the library can listen at: nobody listens there at the moment.
pub(super) fn free_address() -> io::Result<SocketAddr> {
    bind()?.local_addr()
}

/// Listens at a port that is none of `taken`.
pub(super) fn listen(taken: &BTreeSet<u16>) -> io::Result<TcpListener> {
    let listener = fit(taken, bind)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Binds a port of a random loopback address, or of 127.0.0.1 where that is not possible.
fn bind() -> io::Result<StdListener> {
    StdListener::bind((address(), 0)).or_else(|_| StdListener::bind((Ipv4Addr::LOCALHOST, 0)))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn address() -> Ipv4Addr {
    let [a, b, c] = rand::random::<[u8; 3]>();
    // Neither the first nor the last address of the network, nor 127.0.x.x, which others use.
    Ipv4Addr::new(127, a.max(1), b, c.clamp(1, 254))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn address() -> Ipv4Addr {
    Ipv4Addr::LOCALHOST
}

/// The first listener whose port is none of `taken`.
fn fit(
    taken: &BTreeSet<u16>,
    mut bind: impl FnMut() -> io::Result<StdListener>,
) -> io::Result<StdListener> {
    // Kept open until one fits: otherwise the system could offer them again.
    let mut unfit = Vec::new();
    for _ in 0..PORT_ATTEMPTS {
        let listener = bind()?;
        if !taken.contains(&listener.local_addr()?.port()) {
            return Ok(listener);
        }
        unfit.push(listener);
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no port is free"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_passed_over() {
        let listeners = [(); 3].map(|()| StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let ports = listeners.each_ref().map(|one| one.local_addr().unwrap().port());
        let mut offered = listeners.into_iter();
        let fit = fit(&BTreeSet::from([ports[0], ports[1]]), || Ok(offered.next().unwrap()));
        assert_eq!(fit.unwrap().local_addr().unwrap().port(), ports[2]);
    }

    #[test]
    fn addresses_are_of_this_machine() {
        for _ in 0..100 {
            let address = free_address().unwrap();
            assert!(address.ip().is_loopback() && address.port() > 0, "{address}");
        }
    }
}
