//! Makes an invoice, prints it, and waits until it is paid.
//!
//! Usage: shop CONFIG_FILE, where CONFIG_FILE is that of the server.

use futures_util::StreamExt as _;
use ldk_server_client::Client;
use ldk_server_client::api::{AckEventsRequest, Bolt11ReceiveRequest, SubscribeEventsRequest};
use ldk_server_client::events::event_envelope::Event;

/// By this name the server knows which events the shop is done with.
const CONSUMER: &str = "shop";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config_file = std::env::args().nth(1).ok_or("name the server's configuration file")?;
    let client = Client::from_config_file(config_file)?;

    // Follow the events first: the payment may come before we would.
    let request = SubscribeEventsRequest { consumer: CONSUMER.to_owned(), ..Default::default() };
    let mut events = client.subscribe_events_resumable(request).await?;
    let request = Bolt11ReceiveRequest {
        amount_msat: Some(1_000_000),
        expiry_secs: 3_600,
        ..Default::default()
    };
    let made = client.bolt11_receive(request).await?;
    println!("{{\"invoice\": \"{}\"}}", made.invoice);

    while let Some(envelope) = events.next().await {
        let envelope = envelope?;
        let mut is_paid = false;
        if let Some(Event::PaymentReceived(received)) = envelope.event {
            // The id of a BOLT 11 payment is its hash.
            is_paid = received.payment.is_some_and(|payment| payment.id == made.payment_hash);
        }
        if is_paid {
            println!("paid"); // A real shop writes it to its books here.
        }

        // Acknowledge what is in the books only: the rest comes again when the shop is started again.
        let done =
            AckEventsRequest { consumer: CONSUMER.to_owned(), event_index: envelope.event_index };
        match client.ack_events(done).await {
            // Each acknowledgement covers those before it, so the next one mends this.
            Err(error) if error.is_temporary() => eprintln!("not acknowledged: {error}"),
            acknowledged => {
                acknowledged?;
            },
        }
        if is_paid {
            return Ok(());
        }
    }
    Err("the stream of events ended".into())
}
