//! Feature bits (BOLT 9) as Core Lightning shows them.

use std::collections::BTreeMap;

/// The bits of these features in hexadecimal, the highest first.
pub(super) fn bits<T>(features: &BTreeMap<u32, T>) -> String {
    let Some((highest, _)) = features.last_key_value() else { return String::new() };
    let mut bytes = vec![0_u8; *highest as usize / 8 + 1];
    for bit in features.keys() {
        if let Some(byte) = bytes.iter_mut().nth_back(*bit as usize / 8) {
            *byte |= 1 << (bit % 8);
        }
    }
    hex::encode(bytes)
}

#[cfg(test)]
mod tests {

    #[test]
    fn features_are_bits() {
        let features = |bits: &[u32]| super::bits(&bits.iter().map(|bit| (*bit, ())).collect());
        assert_eq!(features(&[8, 14, 17]), "024100");
        assert_eq!(features(&[]), "");
        assert_eq!(features(&[0]), "01");
    }
}
