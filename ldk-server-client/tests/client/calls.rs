//! Unary calls.

use std::time::Duration;

use ldk_server_client::api::{
    CloseChannelRequest, CloseChannelResponse, DecodeInvoiceRequest, DecodeInvoiceResponse,
    GetBalancesRequest, GetNodeInfoRequest, GetNodeInfoResponse, SignMessageRequest,
    SignMessageResponse,
};
use ldk_server_client::{Client, Code, Error};
use ldk_server_grpc::MAX_MESSAGE_BYTES;
use ldk_server_grpc::api::lightning_node_server::LightningNode;
use tokio::time::timeout;
use tonic::{Request, Response, Status, async_trait};

use crate::server::{DEADLINE, TestServer};

struct Node;

#[async_trait]
impl LightningNode for Node {
    /// Answers with the time the caller says it waits.
    async fn get_node_info(
        &self,
        request: Request<GetNodeInfoRequest>,
    ) -> Result<Response<GetNodeInfoResponse>, Status> {
        let grpc_timeout = request.metadata().get("grpc-timeout");
        let node_id = grpc_timeout.map_or("", |value| value.to_str().unwrap()).to_owned();
        Ok(Response::new(GetNodeInfoResponse { node_id, ..Default::default() }))
    }

    /// Refuses, repeating what it was asked.
    async fn close_channel(
        &self,
        request: Request<CloseChannelRequest>,
    ) -> Result<Response<CloseChannelResponse>, Status> {
        let user_channel_id = request.into_inner().user_channel_id;
        Err(Status::invalid_argument(format!("user_channel_id: no channel {user_channel_id}")))
    }

    /// Answers with twice as many characters as the request has bytes.
    async fn sign_message(
        &self,
        request: Request<SignMessageRequest>,
    ) -> Result<Response<SignMessageResponse>, Status> {
        let signature = "y".repeat(2 * request.into_inner().message.len());
        Ok(Response::new(SignMessageResponse { signature }))
    }

    /// Never answers.
    async fn decode_invoice(
        &self,
        _: Request<DecodeInvoiceRequest>,
    ) -> Result<Response<DecodeInvoiceResponse>, Status> {
        std::future::pending().await
    }
}

async fn within_deadline<T>(answer: impl Future<Output = T>) -> T {
    timeout(DEADLINE, answer).await.expect("no answer in time")
}

#[tokio::test]
async fn a_signed_request_is_answered_and_tells_the_server_how_long_it_waits() {
    let server = TestServer::start(Node).await;
    let client = server.client_builder().call_timeout(Duration::from_secs(7)).build().unwrap();
    let info = within_deadline(client.get_node_info(GetNodeInfoRequest {})).await.unwrap();
    assert_eq!(info.node_id, "7000000u");
}

#[tokio::test]
async fn a_wrong_key_is_an_auth_error() {
    let server = TestServer::start(Node).await;
    let client = Client::builder(server.address.to_string(), "00", &server.pem).build().unwrap();
    let error = within_deadline(client.get_node_info(GetNodeInfoRequest {})).await.unwrap_err();
    assert!(matches!(error, Error::Auth(_)), "{error:?}");
}

#[tokio::test]
async fn the_status_and_message_of_a_refusal_arrive() {
    let server = TestServer::start(Node).await;
    let request =
        CloseChannelRequest { user_channel_id: "\u{202e}7".to_owned(), ..Default::default() };
    let error = within_deadline(server.client().close_channel(request)).await.unwrap_err();
    let message = "user_channel_id: no channel \u{202e}7".to_owned();
    assert_eq!(error, Error::InvalidRequest(message));
}

#[tokio::test]
async fn what_the_server_cannot_do_is_unimplemented() {
    let server = TestServer::start(Node).await;
    let error = within_deadline(server.client().get_balances(GetBalancesRequest {})).await;
    assert_eq!(error.unwrap_err().code(), Some(Code::Unimplemented));
}

#[tokio::test]
async fn no_answer_in_time_leaves_the_outcome_unknown() {
    let server = TestServer::start(Node).await;
    let client = server.client_builder().call_timeout(Duration::from_millis(100)).build().unwrap();
    let request = DecodeInvoiceRequest::default();
    let error = within_deadline(client.decode_invoice(request)).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::DeadlineExceeded), "{error:?}");
    assert!(error.to_string().contains("outcome of the call is unknown"), "{error}");
}

#[tokio::test]
async fn large_messages_pass_up_to_the_limit() {
    let server = TestServer::start(Node).await;
    let sign = async |size| {
        let request = SignMessageRequest { message: vec![0; size] };
        within_deadline(server.client().sign_message(request)).await
    };
    // Room for the tag and the length of the field.
    let largest_answer = MAX_MESSAGE_BYTES - 16;
    let answer = sign(largest_answer / 2).await.unwrap();
    assert_eq!(answer.signature.len(), largest_answer);
    for size in [MAX_MESSAGE_BYTES / 2, MAX_MESSAGE_BYTES] {
        let error = sign(size).await.unwrap_err();
        assert!(matches!(error, Error::OutOfRange(_)), "{error:?}");
    }
}

#[tokio::test]
async fn many_calls_share_one_client() {
    let server = TestServer::start(Node).await;
    let client = server.client();
    let calls = (0..64).map(|_| client.get_node_info(GetNodeInfoRequest {}));
    let answers = within_deadline(futures_util::future::join_all(calls)).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

#[tokio::test]
async fn a_lost_connection_is_made_again() {
    let server = TestServer::start(Node).await;
    let client = server.client();
    within_deadline(client.get_node_info(GetNodeInfoRequest {})).await.unwrap();
    server.drop_connections();
    within_deadline(async {
        while let Err(error) = client.get_node_info(GetNodeInfoRequest {}).await {
            assert!(matches!(error, Error::Transport(_)), "{error:?}");
        }
    })
    .await;
}
