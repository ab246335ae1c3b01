//! What the books are made of.

use std::str::FromStr as _;

use ldk_node::bitcoin::{OutPoint, Txid};
use ldk_node::lightning::io;
use ldk_node::lightning::ln::types::ChannelId;
use ldk_node::lightning::util::persist::KVStoreSync;
use ldk_server_grpc::types::Payment;

use super::model::{Forward, ForwardPlace, ForwardRow, Page, PaymentPlace, PaymentRow};
use super::{MONITORS, Store, monitored_channel};

/// The beginning of a span of time, and its end, which is not part of it.
pub(crate) type Times = (Option<u64>, Option<u64>);

impl Store {
    /// The Lightning payments that have succeeded in this span of time, those after this place, the first
    /// that began first.
    pub fn settled_payments(
        &self,
        times: Times,
        after: Option<PaymentPlace>,
        page_size: usize,
    ) -> io::Result<Page<Payment>> {
        let rows = self.reads.settled_payments(times, after, page_size.saturating_add(1))?;
        let payments = rows.into_iter().map(PaymentRow::payment);
        Ok(Page::of(payments.collect::<io::Result<_>>()?, page_size))
    }

    /// The forwards of this span of time, those after this place, the first first.
    pub fn forwards_in_order(
        &self,
        times: Times,
        after: Option<ForwardPlace>,
        page_size: usize,
    ) -> io::Result<Page<Forward>> {
        let rows = self.reads.forwards_in_order(times, after, page_size.saturating_add(1))?;
        let forwards = rows.into_iter().map(ForwardRow::forward);
        Ok(Page::of(forwards.collect::<io::Result<_>>()?, page_size))
    }

    /// One of the library's records.
    pub(crate) fn library_record(
        &self,
        (primary, secondary, key): (&str, &str, &str),
    ) -> io::Result<Option<Vec<u8>>> {
        match KVStoreSync::read(self, primary, secondary, key) {
            Ok(record) => Ok(Some(record)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The monitor of this channel, or what it was when the library archived it, without updates that
    /// were written beside it.
    pub(crate) fn monitor(&self, channel: ChannelId) -> io::Result<Option<Vec<u8>>> {
        match self.monitor_name(channel)? {
            Some((namespace, name)) => self.library_record((namespace, "", &name)),
            None => Ok(None),
        }
    }

    /// The first funding output of this channel, if its monitor is called by that.
    pub(crate) fn first_funding(&self, channel: ChannelId) -> io::Result<Option<OutPoint>> {
        let name = self.monitor_name(channel)?;
        Ok(name.and_then(|(_, name)| {
            let (txid, vout) = name.split_once('_')?;
            Some(OutPoint { txid: Txid::from_str(txid).ok()?, vout: vout.parse().ok()? })
        }))
    }

    fn monitor_name(&self, channel: ChannelId) -> io::Result<Option<(&'static str, String)>> {
        for namespace in MONITORS {
            let mut names = KVStoreSync::list(self, namespace, "")?.into_iter();
            if let Some(name) = names.find(|name| monitored_channel(name) == Some(channel)) {
                return Ok(Some((namespace, name)));
            }
        }
        Ok(None)
    }
}
