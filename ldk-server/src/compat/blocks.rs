//! Numbers of blocks that the library has for itself.

/// From a payment's deadline to its timeout (`HTLC_FAIL_BACK_BUFFER`).
pub(crate) const DEADLINE_TO_TIMEOUT: u32 = 39;

/// A payment to an invoice of the library can arrive so many before its deadline, and no later.
pub(crate) const MIN_BLOCKS_BEFORE_DEADLINE: u32 = 2;

/// What it asks the node of the payee of a spontaneous payment to be given.
pub(crate) const KEYSEND_FINAL_CLTV_DELTA: u32 = 144;
