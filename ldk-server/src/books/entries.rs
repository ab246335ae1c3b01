//! The entries of the books, in the order in which what they tell of began.

use std::collections::VecDeque;
use std::sync::Arc;

use ldk_node::bitcoin::Txid;
use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_server_grpc::types::payment_kind::Kind;
use ldk_server_grpc::types::{
    BooksAccount, BooksEntry, BooksEntryKind, ForwardedPayment, Payment, PaymentDirection,
    PaymentMethod,
};

use super::Books;
use super::entry::{Span, entry};
use super::reading::Chain;
use crate::store::{Forward, ForwardPlace, PaymentPlace, Store, payment_id};

/// How many rows are read at once.
const PAGE: usize = 500;

/// The entries of a span of time, a page at a time.
pub struct Pages {
    store: Arc<Store>,
    span: Span,
    chain: VecDeque<BooksEntry>,
    payments: Rows<PaymentPlace, Payment>,
    forwards: Rows<ForwardPlace, ForwardedPayment>,
}

/// Rows of a table, of which the next ones have been read.
struct Rows<P, T> {
    /// The place of the last that was read.
    after: Option<P>,
    read: VecDeque<(u64, T)>,
    has_more: bool,
}

impl<P, T> Rows<P, T> {
    fn new() -> Self {
        Self { after: None, read: VecDeque::new(), has_more: true }
    }

    /// When the next row began, if it is known that there is one.
    fn next_time(&self) -> Option<u64> {
        self.read.front().map(|(time, _)| *time)
    }

    fn needs_more(&self) -> bool {
        self.read.is_empty() && self.has_more
    }
}

impl Pages {
    /// The entries of this span.
    pub fn new(books: &Books, chain: Chain, span: Span) -> Self {
        let mut entries = chain.entries;
        entries.retain(|entry| span.contains(entry.time));
        Self {
            store: Arc::clone(&books.store),
            span,
            chain: entries.into(),
            payments: Rows::new(),
            forwards: Rows::new(),
        }
    }

    /// The next entries, some of them; none after the last.
    pub fn next_page(&mut self) -> io::Result<Vec<BooksEntry>> {
        let mut page = Vec::new();
        while page.len() < PAGE {
            match self.next()? {
                Some(entry) => page.push(entry),
                None => break,
            }
        }
        Ok(page)
    }

    fn next(&mut self) -> io::Result<Option<BooksEntry>> {
        self.refill()?;
        let times = [
            self.chain.front().map(|entry| entry.time),
            self.payments.next_time(),
            self.forwards.next_time(),
        ];
        let earliest = times.iter().flatten().min();
        Ok(match times.iter().position(|time| time.is_some() && time.as_ref() == earliest) {
            Some(0) => self.chain.pop_front().map(|entry| self.noted(entry)).transpose()?,
            Some(1) => self.payments.read.pop_front().map(|(_, payment)| of_payment(payment)),
            Some(_) => self.forwards.read.pop_front().map(|(_, forward)| of_forward(forward)),
            None => None,
        })
    }

    /// The entry of a transaction, with what is noted with its payment.
    fn noted(&self, entry: BooksEntry) -> io::Result<BooksEntry> {
        let Ok(txid) = entry.txid.parse::<Txid>() else { return Ok(entry) };
        Ok(match self.store.durable_payment(payment_id(&txid))? {
            Some(Payment { label, metadata, .. }) => BooksEntry { label, metadata, ..entry },
            None => entry,
        })
    }

    fn refill(&mut self) -> io::Result<()> {
        if self.payments.needs_more() {
            self.read_payments()?;
        }
        if self.forwards.needs_more() {
            self.read_forwards()?;
        }
        Ok(())
    }

    fn read_payments(&mut self) -> io::Result<()> {
        let Span { from, before } = self.span;
        let rows = self.store.settled_payments((from, before), self.payments.after, PAGE)?;
        self.payments.has_more = rows.has_more;
        if let Some(last) = rows.rows.last() {
            self.payments.after = Some(place_of(last)?);
        }
        self.payments.read.extend(rows.rows.into_iter().map(|row| (row.created_at, row)));
        Ok(())
    }

    fn read_forwards(&mut self) -> io::Result<()> {
        let Span { from, before } = self.span;
        let rows = self.store.forwards_in_order((from, before), self.forwards.after, PAGE)?;
        self.forwards.has_more = rows.has_more;
        self.forwards.after = rows.rows.last().map(|row| row.place).or(self.forwards.after);
        let read =
            rows.rows.into_iter().map(|Forward { place, payment }| (place.created_at, payment));
        self.forwards.read.extend(read);
        Ok(())
    }
}

fn place_of(payment: &Payment) -> io::Result<PaymentPlace> {
    let mut id = [0; 32];
    hex::decode_to_slice(&payment.id, &mut id)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
    Ok(PaymentPlace { created_at: payment.created_at, id: PaymentId(id) })
}

fn of_payment(payment: Payment) -> BooksEntry {
    let amount_msat = payment.amount_msat.unwrap_or_default();
    let (kind, credit_msat, debit_msat) = match payment.direction() {
        PaymentDirection::Inbound => (BooksEntryKind::PaymentReceived, amount_msat, 0),
        PaymentDirection::Outbound => {
            let fee_msat = payment.fee_paid_msat.unwrap_or_default();
            (BooksEntryKind::PaymentSent, 0, amount_msat.saturating_add(fee_msat))
        },
    };
    let (method, payment_hash) = method_and_hash(payment.kind.and_then(|kind| kind.kind));
    BooksEntry {
        time: payment.latest_update_timestamp,
        credit_msat,
        debit_msat,
        fee_msat: if credit_msat > 0 { Some(0) } else { payment.fee_paid_msat },
        payment_id: payment.id,
        payment_hash,
        method: method.into(),
        label: payment.label,
        metadata: payment.metadata,
        ..entry(BooksAccount::Channels, kind, 0, 0)
    }
}

fn method_and_hash(kind: Option<Kind>) -> (PaymentMethod, String) {
    match kind {
        Some(Kind::Bolt11(paid)) => (PaymentMethod::Bolt11, paid.hash),
        Some(Kind::Bolt11Jit(paid)) => (PaymentMethod::Bolt11Jit, paid.hash),
        Some(Kind::Bolt12Offer(paid)) => {
            (PaymentMethod::Bolt12Offer, paid.hash.unwrap_or_default())
        },
        Some(Kind::Bolt12Refund(paid)) => {
            (PaymentMethod::Bolt12Refund, paid.hash.unwrap_or_default())
        },
        Some(Kind::Spontaneous(paid)) => (PaymentMethod::Spontaneous, paid.hash),
        Some(Kind::Onchain(_)) => (PaymentMethod::Onchain, String::new()),
        None => (PaymentMethod::Unspecified, String::new()),
    }
}

fn of_forward(forward: ForwardedPayment) -> BooksEntry {
    BooksEntry {
        time: forward.created_at,
        credit_msat: forward.total_fee_earned_msat.unwrap_or_default(),
        fee_msat: forward.total_fee_earned_msat,
        channel_id: forward.next_channel_id,
        counterparty_node_id: forward.next_node_id,
        prev_channel_id: forward.prev_channel_id,
        prev_node_id: forward.prev_node_id,
        forwarded_msat: forward.outbound_amount_forwarded_msat,
        ..entry(BooksAccount::Channels, BooksEntryKind::Forward, 0, 0)
    }
}
