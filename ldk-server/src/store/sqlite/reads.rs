//! Reading rows.

use std::collections::{BTreeMap, BTreeSet};

use ldk_node::bitcoin::Txid;
use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_server_grpc::events::ChannelStateChanged;
use ldk_server_grpc::types::EventConsumer;

use super::{
    Readers, audit, channel_manager, consumers, datastore, epoch, events, forwards, intents,
    invoices, orders, payments, quarantine, records, reservations,
};
use crate::compat::channel_state::Id;
use crate::store::backend::Reads;
use crate::store::books::Times;
use crate::store::model::{
    AuditEntry, AuditFilter, AuditPlace, Class, DatastoreKey, DatastoreRow, Digest, Epoch,
    EventBounds, ForwardFilter, ForwardPlace, ForwardRow, IntentRow, InvoiceFilter, InvoiceName,
    InvoicePlace, InvoiceRow, Lineage, Name, PayOrder, PaymentFilter, PaymentPlace, PaymentRow,
    QuarantinedMonitor, Reservation, Unpaid,
};

impl Reads for Readers {
    fn record(&self, name: &Name) -> io::Result<Option<Vec<u8>>> {
        if name.is_manager() {
            return self.read(channel_manager::read);
        }
        self.read(|database| records::get(database, name))
    }

    fn keys(&self, (primary, secondary): (&str, &str)) -> io::Result<BTreeSet<String>> {
        self.read(|database| records::keys(database, primary, secondary))
    }

    fn epoch(&self) -> io::Result<(Lineage, Epoch)> {
        self.read(epoch::read)
    }

    fn settled_channels(&self) -> io::Result<Option<u64>> {
        self.read(epoch::settled_channels)
    }

    fn payment(&self, id: PaymentId) -> io::Result<Option<PaymentRow>> {
        self.read(|database| payments::find(database, id))
    }

    fn payments(
        &self,
        filter: &PaymentFilter,
        after: Option<PaymentPlace>,
        limit: usize,
    ) -> io::Result<Option<Vec<PaymentRow>>> {
        self.read(|database| payments::page(database, filter, after, limit))
    }

    fn payment_classes(&self) -> io::Result<BTreeMap<Class, u64>> {
        self.read(payments::classes)
    }

    fn on_their_way_out(&self) -> io::Result<Vec<Id>> {
        self.read(payments::on_their_way_out)
    }

    fn expired_invoices(
        &self,
        expired_before: u64,
        after: Option<Unpaid>,
        limit: usize,
    ) -> io::Result<Vec<Unpaid>> {
        self.read(|database| payments::expired(database, expired_before, after, limit))
    }

    fn transactions_not_found(&self) -> io::Result<Vec<Txid>> {
        self.read(payments::transactions_not_found)
    }

    fn forwards(
        &self,
        filter: &ForwardFilter,
        after: Option<ForwardPlace>,
        limit: usize,
    ) -> io::Result<Option<Vec<ForwardRow>>> {
        self.read(|database| forwards::page(database, filter, after, limit))
    }

    fn settled_payments(
        &self,
        times: Times,
        after: Option<PaymentPlace>,
        limit: usize,
    ) -> io::Result<Vec<PaymentRow>> {
        self.read(|database| payments::settled(database, times, after, limit))
    }

    fn forwards_in_order(
        &self,
        times: Times,
        after: Option<ForwardPlace>,
        limit: usize,
    ) -> io::Result<Vec<ForwardRow>> {
        self.read(|database| forwards::in_order(database, times, after, limit))
    }

    fn invoice(&self, name: &InvoiceName) -> io::Result<Option<InvoiceRow>> {
        self.read(|database| invoices::find(database, name))
    }

    fn invoices(
        &self,
        filter: &InvoiceFilter,
        after: Option<InvoicePlace>,
        limit: usize,
    ) -> io::Result<Vec<InvoiceRow>> {
        self.read(|database| invoices::page(database, filter, after, limit))
    }

    fn paid_after(&self, pay_index: u64) -> io::Result<Option<InvoiceRow>> {
        self.read(|database| invoices::paid_after(database, pay_index))
    }

    fn last_pay_index(&self) -> io::Result<u64> {
        self.read(invoices::last_pay_index)
    }

    fn own_preimage(&self, payment_hash: [u8; 32]) -> io::Result<Option<[u8; 32]>> {
        self.read(|database| invoices::own_preimage(database, payment_hash))
    }

    fn event_bounds(&self) -> io::Result<EventBounds> {
        self.read(events::bounds)
    }

    fn events_after(&self, event_index: u64, limit: usize) -> io::Result<Vec<Vec<u8>>> {
        self.read(|database| events::after(database, event_index, limit))
    }

    fn last_channel_state(&self, user_channel_id: &str) -> io::Result<Option<ChannelStateChanged>> {
        self.read(|database| events::last_channel_state(database, user_channel_id))
    }

    fn unacknowledged_event(&self) -> io::Result<Option<Digest>> {
        self.read(events::unacknowledged)
    }

    fn acknowledged_index(&self, consumer: &str) -> io::Result<Option<u64>> {
        self.read(|database| consumers::acknowledged_index(database, consumer))
    }

    fn event_consumers(&self) -> io::Result<(Vec<EventConsumer>, EventBounds)> {
        self.read(consumers::all)
    }

    fn consumer_count(&self) -> io::Result<usize> {
        self.read(consumers::count)
    }

    fn reservations(&self) -> io::Result<Vec<Reservation>> {
        self.read(reservations::all)
    }

    fn intent(&self, key: &str) -> io::Result<Option<IntentRow>> {
        self.read(|database| intents::find(database, key))
    }

    fn data(&self, key: Option<&DatastoreKey>) -> io::Result<Vec<DatastoreRow>> {
        self.read(|database| datastore::list(database, key))
    }

    fn pay_orders(&self, ids: &[PaymentId]) -> io::Result<Vec<Option<PayOrder>>> {
        self.read(|database| orders::find(database, ids))
    }

    fn last_audit_number(&self) -> io::Result<u64> {
        self.read(audit::last_number)
    }

    fn audit_entries(
        &self,
        filter: &AuditFilter,
        after: Option<AuditPlace>,
        limit: usize,
        last_of_before: u64,
    ) -> io::Result<Vec<AuditEntry>> {
        self.read(|database| audit::page(database, filter, after, limit, last_of_before))
    }

    fn quarantined_monitors(&self) -> io::Result<Vec<QuarantinedMonitor>> {
        self.read(quarantine::monitors)
    }
}
