//! Makes an invoice, prints it, and waits until it is paid.
//!
//! Usage: shop CONFIG_FILE, where CONFIG_FILE is that of the server.

use futures_util::StreamExt as _;
use ldk_server_client::Client;
use ldk_server_client::api::{Bolt11ReceiveRequest, SubscribeEventsRequest};
use ldk_server_client::events::event_envelope::Event;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config_file = std::env::args().nth(1).ok_or("name the server's configuration file")?;
    let client = Client::from_config_file(config_file)?;

    // Follow the events first: the payment may come before we would.
    let mut events = client.subscribe_events(SubscribeEventsRequest::default()).await?;
    let request = Bolt11ReceiveRequest {
        amount_msat: Some(1_000_000),
        expiry_secs: 3_600,
        ..Default::default()
    };
    let made = client.bolt11_receive(request).await?;
    println!("{{\"invoice\": \"{}\"}}", made.invoice);

    while let Some(envelope) = events.next().await {
        if let Some(Event::PaymentReceived(received)) = envelope?.event {
            // The id of a BOLT 11 payment is its hash.
            if received.payment.is_some_and(|payment| payment.id == made.payment_hash) {
                println!("paid");
                return Ok(());
            }
        }
    }
    Err("the server ended the stream of events".into())
}
