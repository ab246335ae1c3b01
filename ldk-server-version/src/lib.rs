//! The version of ldk-server. A crate of its own, so that little is built anew after a commit.

/// The version, and in parentheses the commit it was built from, if that was known: `0.1.0
/// (0123456789ab)`.
pub const VERSION: &str = env!("LDK_SERVER_VERSION");
