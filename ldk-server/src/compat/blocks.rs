//! Private constants of the library, in blocks.

/// From the claim deadline of a payment to the timeout of its HTLC (`HTLC_FAIL_BACK_BUFFER`).
pub(crate) const DEADLINE_TO_TIMEOUT: u32 = 39;

/// A payment to an invoice of the library arrives at least so many blocks before its claim deadline.
pub(crate) const MIN_BLOCKS_BEFORE_DEADLINE: u32 = 2;

/// The final CLTV delta of a spontaneous payment.
pub(crate) const KEYSEND_FINAL_CLTV_DELTA: u32 = 144;

#[cfg(test)]
mod tests {
    use ldk_node::lightning::ln::channelmanager::MIN_FINAL_CLTV_EXPIRY_DELTA;

    use super::*;

    #[test]
    fn the_library_adds_three_blocks_to_its_buffer() {
        assert_eq!(DEADLINE_TO_TIMEOUT + 3, u32::from(MIN_FINAL_CLTV_EXPIRY_DELTA));
    }
}
