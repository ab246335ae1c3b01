//! The lists, page by page.

use std::sync::{Arc, Mutex};

use ldk_server_client::api::{
    ListForwardedPaymentsRequest, ListForwardedPaymentsResponse, ListPaymentsRequest,
    ListPaymentsResponse,
};
use ldk_server_client::types::{
    ForwardedPayment, PageToken, Payment, PaymentDirection, PaymentMethod, PaymentStatus,
};
use ldk_server_grpc::api::lightning_node_server::LightningNode;
use tokio::time::timeout;
use tonic::{Request, Response, Status, async_trait};

use crate::cli;
use crate::server::{DEADLINE, TestServer};

/// Answers pages of one item for ever, and remembers what it was asked.
#[derive(Clone, Default)]
struct Node {
    payments: Arc<Mutex<Vec<ListPaymentsRequest>>>,
    forwarded: Arc<Mutex<Vec<ListForwardedPaymentsRequest>>>,
}

fn token(index: i64) -> Option<PageToken> {
    Some(PageToken { token: "t".to_owned(), index })
}

fn following(page_token: Option<PageToken>) -> Option<PageToken> {
    token(page_token.map_or(0, |token| token.index) + 1)
}

#[async_trait]
impl LightningNode for Node {
    async fn list_payments(
        &self,
        request: Request<ListPaymentsRequest>,
    ) -> Result<Response<ListPaymentsResponse>, Status> {
        let request = request.into_inner();
        self.payments.lock().unwrap().push(request.clone());
        let next_page_token = following(request.page_token);
        let payments = vec![Payment::default()];
        Ok(Response::new(ListPaymentsResponse { payments, next_page_token }))
    }

    async fn list_forwarded_payments(
        &self,
        request: Request<ListForwardedPaymentsRequest>,
    ) -> Result<Response<ListForwardedPaymentsResponse>, Status> {
        let request = request.into_inner();
        self.forwarded.lock().unwrap().push(request.clone());
        let next_page_token = following(request.page_token);
        let forwarded_payments = vec![ForwardedPayment::default()];
        Ok(Response::new(ListForwardedPaymentsResponse { forwarded_payments, next_page_token }))
    }
}

/// What a node is asked by this command, which has to succeed.
async fn asked(line: &str) -> Node {
    let node = Node::default();
    let server = TestServer::start(node.clone()).await;
    let home = tempfile::tempdir().unwrap();
    let output = cli(&server, &home).args(line.split_whitespace()).output();
    let output = timeout(DEADLINE, output).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    node
}

#[tokio::test]
async fn filters_and_size_are_those_of_every_page() {
    let node = asked(
        "list-payments -n 3 --page-size 2 --page-token t:5 --status succeeded --direction inbound \
         --method bolt11 --created-from 10 --created-before 20 --payment-hash 00ff",
    )
    .await;
    let page = |page_token| ListPaymentsRequest {
        page_token,
        page_size: Some(2),
        status: Some(PaymentStatus::Succeeded.into()),
        direction: Some(PaymentDirection::Inbound.into()),
        method: PaymentMethod::Bolt11.into(),
        created_from: Some(10),
        created_before: Some(20),
        payment_hash: "00ff".to_owned(),
    };
    assert_eq!(*node.payments.lock().unwrap(), [5, 6, 7].map(|index| page(token(index))));

    let node = asked(
        "list-forwarded-payments -n 2 --page-size 1000 --created-from 10 --created-before 20",
    )
    .await;
    let page = |page_token| ListForwardedPaymentsRequest {
        page_token,
        page_size: Some(1_000),
        created_from: Some(10),
        created_before: Some(20),
    };
    assert_eq!(*node.forwarded.lock().unwrap(), [page(None), page(token(1))]);
}

#[tokio::test]
async fn without_options_it_is_the_first_page_of_all() {
    let node = asked("list-payments").await;
    assert_eq!(*node.payments.lock().unwrap(), [ListPaymentsRequest::default()]);
    let node = asked("list-forwarded-payments").await;
    assert_eq!(*node.forwarded.lock().unwrap(), [ListForwardedPaymentsRequest::default()]);
}
