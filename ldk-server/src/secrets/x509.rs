//! Reads a few fields of a certificate (RFC 5280, section 4.1). The TLS library checks certificates
//! but does not return their dates.

use yasna::{ASN1Error, ASN1ErrorKind, ASN1Result, BERReader, Tag, tags};

/// A few fields of a certificate.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// The first second it is valid in, in Unix time.
    pub(super) valid_from_secs: u64,
    /// The last second it is valid in, in Unix time.
    pub(super) expires_at_secs: u64,
    /// Whether issuer and subject are the same.
    pub(super) is_self_issued: bool,
}

impl Facts {
    /// Reads a certificate in DER.
    pub(super) fn of(der: &[u8]) -> ASN1Result<Self> {
        yasna::parse_der(der, |certificate| {
            certificate.read_sequence(|fields| {
                let facts = Self::read(fields.next())?;
                // The algorithm and the signature.
                skip(fields.next())?;
                skip(fields.next())?;
                Ok(facts)
            })
        })
    }

    fn read(signed: BERReader<'_, '_>) -> ASN1Result<Self> {
        signed.read_sequence(|fields| {
            let version = Tag::context(0);
            fields.read_optional(|field| field.read_tagged(version, skip))?;
            // The serial number and the algorithm.
            skip(fields.next())?;
            skip(fields.next())?;
            let issuer = fields.next().read_der()?;
            let (valid_from_secs, expires_at_secs) = fields
                .next()
                .read_sequence(|dates| Ok((unix_secs(dates.next())?, unix_secs(dates.next())?)))?;
            let is_self_issued = fields.next().read_der()? == issuer;
            // The key, and what may follow it.
            while fields.read_optional(skip)?.is_some() {}
            Ok(Self { valid_from_secs, expires_at_secs, is_self_issued })
        })
    }
}

fn skip(field: BERReader<'_, '_>) -> ASN1Result<()> {
    field.read_der().map(drop)
}

/// A date before 1970 counts as its first second.
fn unix_secs(time: BERReader<'_, '_>) -> ASN1Result<u64> {
    let secs = match time.lookahead_tag()? {
        tags::TAG_UTCTIME => time.read_utctime()?.datetime().unix_timestamp(),
        tags::TAG_GENERALIZEDTIME => time.read_generalized_time()?.datetime().unix_timestamp(),
        _ => return Err(ASN1Error::new(ASN1ErrorKind::Invalid)),
    };
    Ok(u64::try_from(secs).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Facts::of(&bytes);
        }
    }
}
