//! What a request passes before it reaches its service.

pub(super) mod authenticate;
pub(super) mod body;
mod generation;
pub(super) mod rate;
mod replay;
pub(super) mod span;
