//! A session: one client, and what it is sent.

use std::sync::Arc;
use std::time::Duration;

use engineioxide::socket::DisconnectReason;
use engineioxide::{Socket, Str};
use futures_util::StreamExt as _;
use ldk_server_grpc::api::AckEventsRequest;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use super::super::refusal::error;
use super::super::subscription::Subscription;
use super::packet::{self, DISCONNECT, Packet};
use super::reads::{Reads, Room};
use super::{Opened, PATIENCE};
use crate::api::rpc;
use crate::error::Error;

/// How long a client has to make room for an event.
const SEND_PATIENCE: Duration = Duration::from_secs(30);

/// What a client has said, for the task of its session.
pub(super) struct Said {
    connected: Notify,
    /// The last event that it has processed. Each acknowledgement covers those before.
    acked: watch::Sender<u64>,
    /// Is cancelled when it has left.
    pub(super) left: CancellationToken,
}

impl Default for Said {
    fn default() -> Self {
        let acked = watch::Sender::new(0);
        Self { connected: Notify::new(), acked, left: CancellationToken::new() }
    }
}

/// The client of a session.
pub(super) type Client = Arc<Socket<Said>>;

/// Takes what a client says.
pub(super) fn hear(client: &Client, text: &str) {
    let told = match Packet::read(text) {
        Some(Packet::Connect) => {
            client.data.connected.notify_one();
            client.emit(packet::connected(client.id.as_str()))
        },
        Some(Packet::ConnectTo(namespace)) => client.emit(packet::no_namespace(namespace)),
        Some(Packet::Ack(index)) => {
            client.data.acked.send_replace(index);
            Ok(())
        },
        Some(Packet::Other) => Ok(()),
        Some(Packet::Disconnect) => return client.close(DisconnectReason::TransportClose),
        None => return client.close(DisconnectReason::PacketParsingError),
    };
    // Nobody has to ask so often without reading the answers.
    if told.is_err() {
        client.close(DisconnectReason::TransportError);
    }
}

/// The task of a session.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) opened: Opened,
    pub(super) reads: Reads,
}

impl Session {
    /// Sends events until the client leaves, does not read, or there are none for it any more.
    pub(super) async fn run(self, subscription: Subscription) {
        let said = &self.client.data;
        tokio::select! {
            () = said.left.cancelled() => return,
            () = self.serve(subscription) => {},
        }
        self.client.close(DisconnectReason::ClosingServer);
    }

    async fn serve(&self, subscription: Subscription) {
        if timeout(PATIENCE, self.client.data.connected.notified()).await.is_err() {
            return;
        }
        tokio::select! {
            () = self.deliver(subscription) => {},
            () = self.acknowledge() => {},
        }
    }

    async fn deliver(&self, mut subscription: Subscription) {
        let (mut room, form) = (Room::new(&self.reads), &self.opened.form);
        let mut others = form.others();
        loop {
            let packets = tokio::select! {
                event = subscription.next() => match event {
                    Ok(event) => form.packets(&event).await,
                    Err(end) => return self.end(&Status::from(end)),
                },
                Some(packets) = others.next() => packets,
            };
            for packet in &*packets {
                if !self.has_sent(packet, &mut room).await {
                    return;
                }
            }
        }
    }

    /// Sends a packet, as soon as there is room for it.
    async fn has_sent(&self, packet: &Str, room: &mut Room<'_>) -> bool {
        let sending = async {
            loop {
                if room.is_left() {
                    match self.send(packet.clone()) {
                        Ok(()) => break,
                        Err(TrySendError::Closed(())) => return false,
                        Err(TrySendError::Full(())) => {},
                    }
                }
                room.wait().await;
            }
            room.take();
            true
        };
        timeout(SEND_PATIENCE, sending).await.unwrap_or(false)
    }

    /// Sends a packet if that leaves a place for a ping: without one, the library takes the client for gone.
    fn send(&self, packet: Str) -> Result<(), TrySendError<()>> {
        let _of_ping = self.client.reserve()?;
        self.client.reserve()?.emit(packet);
        Ok(())
    }

    /// Tells why there are no further events. Who is to come again is not told to stay away.
    fn end(&self, status: &Status) {
        // Whoever does not read it knows as much as without.
        drop(self.client.emit(packet::error(&error(status))));
        if status.code() != Code::Unavailable {
            drop(self.client.emit(DISCONNECT));
        }
    }

    /// Passes on what the client acknowledges.
    async fn acknowledge(&self) {
        let mut acked = self.client.data.acked.subscribe();
        // What it said before it was connected counts, too.
        if *acked.borrow() > 0 {
            acked.mark_changed();
        }
        while acked.changed().await.is_ok() {
            let event_index = *acked.borrow_and_update();
            if let Err(refused) = self.opened.ack(event_index).await {
                drop(self.client.emit(packet::error(&error(&Status::from(refused)))));
            }
        }
    }
}

impl Opened {
    async fn ack(&self, event_index: u64) -> Result<(), Error> {
        let request = AckEventsRequest { consumer: self.consumer.clone(), event_index };
        self.feeds.dispatcher.call(rpc::AckEvents, self.caller.clone(), request).await.map(drop)
    }
}
