//! What channels have to do with forwards.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ldk_node::lightning::io;
use ldk_server_grpc::types::ForwardedPayment;

use super::entry::Span;
use crate::store::{Forward, ForwardPlace, Page};

/// How long what was counted can be counted on. Forwards may be pruned meanwhile.
const KEPT: Duration = Duration::from_secs(60);

/// What a channel has to do with forwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelTurnover {
    /// How many came in.
    pub in_count: u64,
    /// What they were about, with our fees, in millisatoshis.
    pub in_msat: u64,
    /// The fees of these, in millisatoshis.
    pub in_fees_msat: u64,
    /// How many went out.
    pub out_count: u64,
    /// What they were about, in millisatoshis.
    pub out_msat: u64,
    /// The fees of these, in millisatoshis.
    pub out_fees_msat: u64,
    /// How many have an amount or a fee that is not known.
    pub unknown: u64,
}

/// The turnover of each channel, by id.
pub(super) type ByChannel = BTreeMap<String, ChannelTurnover>;

/// What was counted last. The next page of a list of channels needs it again.
#[derive(Default)]
pub(super) struct Turnovers(Mutex<Option<Counted>>);

struct Counted {
    span: Span,
    begun_at: Instant,
    last: Option<ForwardPlace>,
    channels: ByChannel,
}

impl Turnovers {
    /// Counts the forwards of a span of time, of which `read` reads those after one.
    pub(super) fn of(
        &self,
        span: Span,
        now: Instant,
        read: impl Fn(Option<ForwardPlace>) -> io::Result<Page<Forward>>,
    ) -> io::Result<ByChannel> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_of_now = |of: &Counted| of.span == span && now.duration_since(of.begun_at) < KEPT;
        let known = counted.take().filter(is_of_now);
        let mut count = known.unwrap_or_else(|| Counted::nothing(span, now));
        loop {
            let page = read(count.last)?;
            count.last = page.rows.last().map(|row| row.place).or(count.last);
            for row in &page.rows {
                add(&mut count.channels, &row.payment);
            }
            if !page.has_more {
                break;
            }
        }
        Ok(counted.insert(count).channels.clone())
    }
}

impl Counted {
    fn nothing(span: Span, begun_at: Instant) -> Self {
        Self { span, begun_at, last: None, channels: BTreeMap::new() }
    }
}

fn add(channels: &mut ByChannel, forward: &ForwardedPayment) {
    let known = forward.outbound_amount_forwarded_msat.zip(forward.total_fee_earned_msat);
    let (amount_msat, fee_msat) = known.unwrap_or_default();
    let unknown = u64::from(known.is_none());
    let from = channels.entry(forward.prev_channel_id.clone()).or_default();
    from.in_count += 1;
    from.in_msat += amount_msat + fee_msat;
    from.in_fees_msat += fee_msat;
    from.unknown += unknown;
    let to = channels.entry(forward.next_channel_id.clone()).or_default();
    to.out_count += 1;
    to.out_msat += amount_msat;
    to.out_fees_msat += fee_msat;
    to.unknown += unknown;
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn forward(number: u64) -> Forward {
        let payment = ForwardedPayment {
            prev_channel_id: "in".to_owned(),
            next_channel_id: "out".to_owned(),
            outbound_amount_forwarded_msat: Some(100),
            total_fee_earned_msat: Some(5),
            ..Default::default()
        };
        Forward { place: ForwardPlace { created_at: number, number }, payment }
    }

    #[test]
    fn a_forward_is_read_once_for_all_pages() {
        let forwards = RefCell::new(vec![forward(1), forward(2)]);
        let read_rows = RefCell::new(0);
        let read = |last: Option<ForwardPlace>| {
            let last = last.map_or(0, |last| last.number);
            let all = forwards.borrow();
            let rows: Vec<_> = all.iter().filter(|row| row.place.number > last).cloned().collect();
            *read_rows.borrow_mut() += rows.len();
            Ok(Page { rows, has_more: false })
        };
        let (turnovers, now, all) = (Turnovers::default(), Instant::now(), Span::default());
        for _page in 0..3 {
            let counted = turnovers.of(all, now, read).unwrap();
            assert_eq!((counted["in"].in_msat, counted["out"].out_count), (210, 2));
        }
        assert_eq!(*read_rows.borrow(), 2);
        forwards.borrow_mut().push(forward(3));
        assert_eq!(turnovers.of(all, now, read).unwrap()["out"].out_fees_msat, 15);
        assert_eq!(*read_rows.borrow(), 3);
        // Another span, and what is too old, are counted anew.
        let span = Span { from: Some(1), before: None };
        turnovers.of(span, now, read).unwrap();
        turnovers.of(span, now + KEPT, read).unwrap();
        assert_eq!(*read_rows.borrow(), 9);
    }
}
