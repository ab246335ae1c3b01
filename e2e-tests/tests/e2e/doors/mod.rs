//! How a connection itself tells who calls: by the certificate of a client, or by its Unix socket.

mod certificates;
mod program;
#[cfg(target_os = "linux")]
mod socket;
