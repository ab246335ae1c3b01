//! LNURL: services that are asked over HTTP for an invoice to pay, or paid out to an invoice of ours.
//!
//! A service is a stranger. It is reached with TLS only, at public addresses, unless the configuration
//! allows others; what it answers is bounded in size and time, and nothing is paid that differs from what
//! was asked for. Every LNURL may be a secret, as one to withdraw is: none is in a message or in the log.

mod answer;
mod link;
mod pay;
mod services;
mod withdraw;

pub use answer::Failed;
pub use link::{Link, LinkRefused};
pub use pay::{Asked, Metadata, PayTerms, SuccessAction};
pub use services::{Offered, Services, ServicesError};
pub use withdraw::WithdrawTerms;
