//! Payments on their way out that the manager on disk does not know of, at the start.

use ldk_node::lightning::io;
use ldk_node::lightning::ln::channelmanager::PaymentId;

use super::CutsRefused;
use crate::compat::channel_state::{self, Id};
use crate::store::Store;
use crate::store::change::{Change, PaymentEvent};
use crate::store::model::CUTS_MADE;

impl Store {
    /// Decides on payments on their way out that the manager on disk does not know of, before the
    /// library reads its records. If the process before made cuts, the record of a payment and the
    /// manager that knows of it were committed together, and nothing of the payment left the node
    /// before. So they have never left, or their only attempt failed before that was written down.
    pub fn resolve_unsent_payments(&self) -> io::Result<()> {
        if !self.were_cuts_made()? {
            return Ok(());
        }
        if !self.is_cut()? {
            tracing::warn!(
                "the channel manager is older than a channel monitor: the last commit was no \
                 consistent cut"
            );
            return self.do_without_cuts();
        }
        let unknown = self.unknown_payments()?;
        let not_sent = all(unknown, || PaymentEvent::NotSent);
        let number = self.writer.write_whole(not_sent)?.payments.len();
        if number > 0 {
            tracing::info!(
                payments = number,
                "payments that had not left the node when it ended have failed"
            );
        }
        Ok(())
    }

    /// Whether the manager on disk knows of all that the monitors on disk have. If not, a cut was
    /// forced, or a version of the server that makes none has run.
    fn is_cut(&self) -> io::Result<bool> {
        let Some(manager) = self.manager()? else { return Ok(self.monitors()?.is_empty()) };
        for monitor in self.monitors()? {
            let (channel, at) = match self.monitor_on_disk(&monitor) {
                Ok(monitor) => monitor,
                Err(CutsRefused::Format(_)) => return Ok(false),
                Err(CutsRefused::Storage(error)) => return Err(error),
            };
            // One that is not there is closed.
            let known = channel_state::channel_update(&manager, &channel);
            if known.is_some_and(|known| known < at) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The process before made no cuts: what the manager does not know may have left all the same.
    pub(super) fn doubt_unknown_payments(&self) -> io::Result<()> {
        if self.were_cuts_made()? {
            return Ok(());
        }
        let unknown = self.unknown_payments()?;
        let number = unknown.len();
        self.writer.write(all(unknown, || PaymentEvent::OutcomeUnknown))?;
        if number > 0 {
            tracing::warn!(
                payments = number,
                "the library has lost track of payments, which may have arrived"
            );
        }
        self.put(CUTS_MADE.0, CUTS_MADE.1, Vec::new())
    }

    fn were_cuts_made(&self) -> io::Result<bool> {
        match self.get(CUTS_MADE.0, CUTS_MADE.1) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Payments on their way out that the manager on disk does not know of.
    fn unknown_payments(&self) -> io::Result<Vec<Id>> {
        let manager = self.manager()?;
        let manager = manager.as_deref().map(Vec::as_slice).unwrap_or_default();
        let mut pending = self.reads.on_their_way_out()?;
        pending.retain(|payment| !channel_state::knows_payment(manager, payment));
        Ok(pending)
    }
}

/// The same has happened to all of these payments.
fn all(payments: Vec<Id>, event: impl Fn() -> PaymentEvent) -> Change {
    Change::Payments(payments.into_iter().map(|id| (PaymentId(id), event())).collect())
}
