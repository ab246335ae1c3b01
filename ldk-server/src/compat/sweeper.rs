//! The outputs of closed channels that LDK Node sweeps, as lightning 0.2 keeps them: a stream of fields
//! with its length before it, the first of which has the outputs one after the other.

use ldk_node::bitcoin::TxOut;
use ldk_node::lightning::chain::transaction::OutPoint;
use ldk_node::lightning::ln::msgs::DecodeError;
use ldk_node::lightning::sign::SpendableOutputDescriptor;
use ldk_node::lightning::util::persist::{
    OUTPUT_SWEEPER_PERSISTENCE_KEY, OUTPUT_SWEEPER_PERSISTENCE_PRIMARY_NAMESPACE,
    OUTPUT_SWEEPER_PERSISTENCE_SECONDARY_NAMESPACE,
};
use ldk_node::lightning::util::ser::Readable as _;
use ldk_node::lightning::util::sweep::TrackedSpendableOutput;

use super::tlv::{Fields, take};

/// Where the record is, with the namespaces.
pub(crate) const STORE_KEY: (&str, &str, &str) = (
    OUTPUT_SWEEPER_PERSISTENCE_PRIMARY_NAMESPACE,
    OUTPUT_SWEEPER_PERSISTENCE_SECONDARY_NAMESPACE,
    OUTPUT_SWEEPER_PERSISTENCE_KEY,
);

/// The outputs in the record.
pub(crate) fn outputs(mut record: &[u8]) -> Result<Vec<TrackedSpendableOutput>, DecodeError> {
    let fields = Fields::of(take(&mut record)?)?;
    let mut bytes = fields.required(0)?;
    let mut outputs = Vec::new();
    while !bytes.is_empty() {
        outputs.push(TrackedSpendableOutput::read(&mut bytes)?);
    }
    Ok(outputs)
}

/// Where an output is, and what is in it.
pub(crate) fn output(descriptor: &SpendableOutputDescriptor) -> (OutPoint, &TxOut) {
    match descriptor {
        SpendableOutputDescriptor::StaticOutput { outpoint, output, .. } => (*outpoint, output),
        SpendableOutputDescriptor::DelayedPaymentOutput(delayed) => {
            (delayed.outpoint, &delayed.output)
        },
        SpendableOutputDescriptor::StaticPaymentOutput(paid) => (paid.outpoint, &paid.output),
    }
}
