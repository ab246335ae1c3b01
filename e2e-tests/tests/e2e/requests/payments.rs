//! GetPaymentDetails.

use ldk_server_client::Client;
use ldk_server_client::api::GetPaymentDetailsRequest;

use crate::requests::BAD_HASHES;
use e2e_tests::invalid;

pub(super) async fn unusable_ids(client: &Client) {
    for payment_id in BAD_HASHES {
        let request = GetPaymentDetailsRequest { payment_id: payment_id.to_owned() };
        invalid(client.get_payment_details(request).await, "payment_id");
    }
    let request = GetPaymentDetailsRequest { payment_id: "ab".repeat(32) };
    let answer = client.get_payment_details(request).await;
    assert!(matches!(&answer, Ok(found) if found.payment.is_none()), "{answer:?}");
}
