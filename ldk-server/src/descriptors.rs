//! Divides the limit of open files between callers and peers. Each connection takes one or more, and
//! the library panics if it accepts a peer and there is none left. So there are never more connections
//! than files for them, whatever the configuration allows.

use crate::config::Config;

/// For the database, logs, backups, the chain source and the rest.
const OTHERS: usize = 128;
/// A peer has the socket to it, the two between the gate and the library, and the one that is
/// listened at for the library to connect to it.
const OF_A_PEER: usize = 4;
/// Fewer than this are left alone by peers that connect, so that others find one at once.
const SPARE: usize = 64;

/// The maximum numbers of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shares {
    /// Of callers.
    pub(crate) callers: usize,
    /// Of peers.
    pub(crate) peers: usize,
}

impl Shares {
    /// The configured numbers, or lower ones if there are too few files.
    pub(crate) fn of(config: &Config) -> Self {
        let (callers, peers) = (config.limits.max_connections, config.peer_limits.max_connections);
        limit().map_or(Self { callers, peers }, |limit| Self::new(limit, callers, peers))
    }

    fn new(limit: usize, callers: usize, peers: usize) -> Self {
        let left = limit.saturating_sub(OTHERS);
        let callers = callers.min(left / 3).max(1);
        let peers = peers.min(left.saturating_sub(callers) / OF_A_PEER).max(1);
        Self { callers, peers }
    }

    /// Warns if a number is lower than configured.
    pub(crate) fn tell(self, config: &Config) {
        for (key, configured, share) in [
            ("max_connections", config.limits.max_connections, self.callers),
            ("max_peer_connections", config.peer_limits.max_connections, self.peers),
        ] {
            if share < configured {
                tracing::warn!(
                    key,
                    share,
                    configured,
                    "the limit of open files allows fewer connections than limits.{key}; raise the \
                     hard limit (ulimit -n, LimitNOFILE)"
                );
            }
        }
    }
}

/// The limit of open files; `None` if there is no limit.
#[cfg(unix)]
fn limit() -> Option<usize> {
    use rustix::process::{Resource, getrlimit};
    getrlimit(Resource::Nofile).current.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(not(unix))]
fn limit() -> Option<usize> {
    None
}

/// Whether hardly any can be opened any more, now that this one is. The system gives each the lowest
/// number that is free.
#[cfg(unix)]
pub(crate) fn are_scarce(newest: &impl std::os::fd::AsRawFd) -> bool {
    let number = usize::try_from(newest.as_raw_fd()).unwrap_or(usize::MAX);
    limit().is_some_and(|limit| number.saturating_add(SPARE) >= limit)
}

/// That is not told.
#[cfg(not(unix))]
pub(crate) fn are_scarce<T>(_: &T) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_files_for_all_connections() {
        for limit in [256, 512, 1024, 4096, 65_536] {
            for (callers, peers) in [(1, 1), (1024, 512), (65_536, 65_536)] {
                let shares = Shares::new(limit, callers, peers);
                assert!(shares.callers <= callers && shares.peers <= peers);
                let used = OTHERS + shares.callers + OF_A_PEER * shares.peers;
                assert!(used <= limit && shares.peers >= 20.min(peers), "{limit}: {shares:?}");
            }
        }
        let defaults = Shares { callers: 1024, peers: 512 };
        assert_eq!(Shares::new(4096, 1024, 512), defaults);
        assert_eq!(Shares::new(1, 1024, 512), Shares { callers: 1, peers: 1 });
    }

    #[cfg(unix)]
    #[test]
    fn the_number_of_a_file_tells_whether_there_are_more() {
        struct Number(usize);
        impl std::os::fd::AsRawFd for Number {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                std::os::fd::RawFd::try_from(self.0).unwrap()
            }
        }
        assert!(!are_scarce(&Number(3)));
        if let Some(limit) = limit() {
            assert!(are_scarce(&Number(limit - SPARE)));
            assert!(!are_scarce(&Number(limit - SPARE - 1)));
        }
    }
}
