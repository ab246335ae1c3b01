//! The numbers that channels have on the chain.

/// The number of a channel as block, transaction and output (BOLT 7).
pub(in crate::cln) fn scid(number: u64) -> String {
    format!("{}x{}x{}", number >> 40, (number >> 16) & 0xff_ffff, number & 0xffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_channel_has_three_parts() {
        assert_eq!(scid((450 << 40) | (1 << 16)), "450x1x0");
        assert_eq!(scid(u64::MAX), "16777215x16777215x65535");
    }
}
