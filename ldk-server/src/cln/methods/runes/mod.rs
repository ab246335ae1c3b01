//! Runes: `createrune`, `showrunes`, `checkrune` and `blacklistrune`. They are those of the node's own API.

mod check;
mod create;
mod records;
mod revoke;
mod show;
mod words;

pub(super) use check::CheckRune;
pub(super) use create::CreateRune;
pub(super) use revoke::BlacklistRune;
pub(super) use show::ShowRunes;
