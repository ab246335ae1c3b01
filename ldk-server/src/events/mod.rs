//! Events: taken from the library, recorded, and read again in their order.

mod cursor;
mod effect;
mod event_loop;
mod json;
mod meaning;
mod messages;

pub use cursor::{EventCursor, out_of_range, replaying};
pub use event_loop::{EventError, EventLoop, RecordError};
pub use json::{JsonEvent, JsonEvents};
