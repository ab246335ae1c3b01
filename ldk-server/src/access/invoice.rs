//! Invoices that are parameters of calls, as restrictions ask about them.

use ldk_node::lightning_invoice::{Bolt11Invoice, Bolt11InvoiceDescriptionRef};
use ldk_server_grpc::rune::{Fact, InvoicePart};

/// A part of the invoice that is the value of a parameter. No condition on it holds if there is none.
pub(super) fn fact(parameter: &Fact<'_>, part: InvoicePart) -> Fact<'static> {
    let invoice = parameter.only().and_then(|text| text.parse::<Bolt11Invoice>().ok());
    let Some(invoice) = invoice else { return Fact::Unknown };
    match part {
        InvoicePart::Amount => invoice.amount_milli_satoshis().map_or(Fact::Missing, Fact::number),
        InvoicePart::Description => match invoice.description() {
            Bolt11InvoiceDescriptionRef::Direct(description) => Fact::text(description.to_string()),
            Bolt11InvoiceDescriptionRef::Hash(_) => Fact::Missing,
        },
        InvoicePart::Node => Fact::text(invoice.get_payee_pub_key().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An example of BOLT 11: a donation of any amount.
    const DONATION: &str = "lnbc1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdpl2pkx2ctnv5sxxmmwwd5kgetjypeh2ursdae8g6twvus8g6rfwvs8qun0dfjkxaq9qrsgq357wnc5r2ueh7ck6q93dj32dlqnls087fxdwk8qakdyafkq3yap9us6v52vjjsrvywa6rt52cm9r9zqt8r2t7mlcwspyetp5h2tztugp9lfyql";
    const PAYEE: &str = "03e7156ae33b0a208d0744199163177e909e80176e55d97a2f221ede0f934dd9ad";

    #[test]
    fn parts_of_an_invoice_are_known() {
        let invoice = Fact::text(DONATION);
        let is = |part, expected| assert_eq!(fact(&invoice, part), expected);
        is(InvoicePart::Amount, Fact::Missing);
        is(InvoicePart::Description, Fact::text("Please consider supporting this project"));
        is(InvoicePart::Node, Fact::text(PAYEE));
    }

    #[test]
    fn nothing_is_known_of_what_is_no_invoice() {
        for value in [Fact::text("lnbc1"), Fact::Missing, Fact::Unknown] {
            assert_eq!(fact(&value, InvoicePart::Amount), Fact::Unknown, "{value:?}");
        }
    }
}
