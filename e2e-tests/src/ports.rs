//! TCP ports that nobody else takes.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context as _, Result, bail};

/// Below the ports that systems hand out for outgoing connections, so that none of these can be
/// lost to one between being chosen and being listened at, or while a node is down.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port of 127.0.0.1 that belongs to this process as long as the value lives.
#[derive(Debug)]
pub struct Port {
    number: u16,
    // Locked. The lock goes with the process, however that ends.
    _claim: File,
}

impl Port {
    /// Claims a free port. Other processes that claim theirs this way do not get it.
    pub fn claim() -> Result<Self> {
        static TRIED: AtomicU16 = AtomicU16::new(0);
        let claims = std::env::temp_dir().join("ldk-server-e2e-ports");
        fs::create_dir_all(&claims).with_context(|| format!("{}", claims.display()))?;
        // Processes begin far apart, so that they do not all try the same ports first.
        let begin = std::process::id().wrapping_mul(61);
        for _ in 0..COUNT {
            let offset = u32::from(TRIED.fetch_add(1, Ordering::Relaxed));
            let number = FIRST + (begin.wrapping_add(offset) % u32::from(COUNT)) as u16;
            let claim = File::create(claims.join(number.to_string()))?;
            if claim.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok()
            {
                return Ok(Self { number, _claim: claim });
            }
        }
        bail!("none of the {COUNT} ports from {FIRST} is free");
    }

    /// `127.0.0.1:<port>`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }

    /// The number of the port.
    pub fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claimed_ports_are_different_and_free() {
        let ports: Vec<Port> = (0..20).map(|_| Port::claim().unwrap()).collect();
        let listeners: Vec<_> =
            ports.iter().map(|port| TcpListener::bind(port.address()).unwrap()).collect();
        assert_eq!(listeners.len(), 20);
    }
}
