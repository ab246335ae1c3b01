//! The man page and shell completions.

use std::io;

use clap_complete::Shell;
use clap_mangen::Man;

use crate::config::Args;

/// Renders the man page as roff.
pub fn man_page() -> io::Result<String> {
    let mut page = Vec::new();
    Man::new(Args::parser()).render(&mut page)?;
    String::from_utf8(page).map_err(io::Error::other)
}

/// Renders the completion script for a shell.
pub fn completions(shell: Shell) -> io::Result<String> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::parser(), "ldk-server", &mut script);
    String::from_utf8(script).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::KEYS;

    #[test]
    fn the_page_and_the_completions_have_every_flag() {
        let page = man_page().unwrap().replace("\\-", "-");
        let script = completions(Shell::Bash).unwrap();
        for key in KEYS.iter().filter(|key| !key.help.is_empty()) {
            let flag = format!("--{}", key.flag());
            assert!(page.contains(&flag) && script.contains(&flag), "{flag}");
        }
    }
}
