//! The version of ldk-server. A crate of its own, so that little is built anew after a commit.

/// The version, and in parentheses the commit it was built from, if that was known: `0.1.0
/// (0123456789ab)`.
pub const VERSION: &str = env!("LDK_SERVER_VERSION");

/// The commit alone, if it was known.
pub const COMMIT: Option<&str> = option_env!("LDK_SERVER_BUILT_COMMIT");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_version_and_perhaps_a_commit() {
        let commit = VERSION.strip_prefix(env!("CARGO_PKG_VERSION")).unwrap();
        let commit = commit.strip_prefix(" (").and_then(|rest| rest.strip_suffix(')'));
        assert!(VERSION == env!("CARGO_PKG_VERSION") || commit.is_some_and(|c| !c.is_empty()));
    }
}
