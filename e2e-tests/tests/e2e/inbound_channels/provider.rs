//! A provider of channels that speaks LSPS1 (bLIP 51) over LSPS0, and nothing else: no published server
//! does.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use e2e_tests::Port;
use ldk_node::bitcoin::secp256k1::{PublicKey, Secp256k1};
use ldk_node::lightning::ln::msgs::{DecodeError, Init, LightningError};
use ldk_node::lightning::ln::peer_handler::{
    CustomMessageHandler, ErroringMessageHandler, IgnoringMessageHandler, MessageHandler,
    PeerManager,
};
use ldk_node::lightning::ln::wire::CustomMessageReader;
use ldk_node::lightning::sign::KeysManager;
use ldk_node::lightning::util::logger::{Logger, Record};
use ldk_node::lightning::util::ser::{LengthLimitedRead, LengthReadable as _};
use ldk_node::lightning_types::features::{InitFeatures, NodeFeatures};
use lightning_liquidity::lsps0::ser::{LSPS_MESSAGE_TYPE_ID, RawLSPSMessage};
use lightning_net_tokio::{SocketDescriptor, setup_inbound};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const SEED: [u8; 32] = [51; 32];
pub(crate) const MIN_LSP_SATS: u64 = 100_000;
pub(crate) const MAX_LSP_SATS: u64 = 10_000_000;
pub(crate) const FEE_SATS: u64 = 1_234;
pub(crate) const EXPIRES_AT: &str = "2030-01-02T03:04:05.000Z";
pub(crate) const EXPIRES_AT_SECS: u64 = 1_893_553_445;

/// How the provider behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It takes orders.
    Willing,
    /// It refuses them with an error.
    Unwilling,
    /// It confirms another order than it was given.
    Cheating,
    /// It does not answer.
    Silent,
}

/// A provider that listens until it is dropped.
pub(crate) struct Provider {
    port: Port,
    id: PublicKey,
    desk: Arc<Desk>,
    listening: JoinHandle<()>,
}

type Peers = PeerManager<
    SocketDescriptor,
    Arc<ErroringMessageHandler>,
    Arc<IgnoringMessageHandler>,
    Arc<IgnoringMessageHandler>,
    Arc<Unlogged>,
    Arc<Desk>,
    Arc<KeysManager>,
    Arc<IgnoringMessageHandler>,
>;

impl Provider {
    /// Starts one whose orders are paid by this invoice or to this address.
    pub(crate) async fn start(invoice: String, address: String) -> Result<Self> {
        let keys = Arc::new(KeysManager::new(&SEED, 0, 0, true));
        let id = PublicKey::from_secret_key(&Secp256k1::new(), &keys.get_node_secret_key());
        let desk = Arc::new(Desk {
            invoice,
            address,
            state: Mutex::new(State { mood: Mood::Willing, orders: BTreeMap::new() }),
            answers: Mutex::default(),
        });
        let nothing = || Arc::new(IgnoringMessageHandler {});
        let handlers = MessageHandler {
            chan_handler: Arc::new(ErroringMessageHandler::new()),
            route_handler: nothing(),
            onion_message_handler: nothing(),
            custom_message_handler: Arc::clone(&desk),
            send_only_message_handler: nothing(),
        };
        let peers = Arc::new(Peers::new(handlers, 0, &SEED, Arc::new(Unlogged), keys));
        let port = Port::claim()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).await?;
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(stream) = stream.into_std() {
                    tokio::spawn(setup_inbound(Arc::clone(&peers), stream));
                }
            }
        });
        Ok(Self { port, id, desk, listening })
    }

    /// What a customer is configured with.
    pub(crate) fn section(&self, token: &str) -> String {
        format!(
            "[liquidity.lsps1_client]\n\
             node_pubkey = \"{}\"\n\
             address = \"127.0.0.1:{}\"\n\
             token = \"{token}\"\n",
            self.id,
            self.port.number()
        )
    }

    pub(crate) fn behaves(&self, mood: Mood) {
        self.desk.state().mood = mood;
    }

    /// The order that was placed, as it was sent.
    pub(crate) fn order(&self, id: &str) -> Result<Value> {
        self.desk.state().orders.get(id).cloned().context("no such order")
    }

    /// Changes an order.
    pub(crate) fn change(&self, id: &str, change: impl FnOnce(&mut Value)) -> Result<()> {
        change(self.desk.state().orders.get_mut(id).context("no such order")?);
        Ok(())
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Where orders are taken.
struct Desk {
    invoice: String,
    address: String,
    state: Mutex<State>,
    answers: Mutex<Vec<(PublicKey, RawLSPSMessage)>>,
}

struct State {
    mood: Mood,
    orders: BTreeMap<String, Value>,
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answers(&self) -> MutexGuard<'_, Vec<(PublicKey, RawLSPSMessage)>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: &Value) -> Result<Value, (i32, &'static str)> {
        let (params, mut state) = (&request["params"], self.state());
        match request["method"].as_str() {
            Some("lsps1.get_info") => Ok(limits()),
            Some("lsps1.create_order") if state.mood == Mood::Unwilling => {
                Err((100, "no \"channels\" today"))
            },
            Some("lsps1.create_order") => {
                let id = format!("order-{}", state.orders.len() + 1);
                let mut order = self.taken(&id, params);
                if state.mood == Mood::Cheating {
                    order["lsp_balance_sat"] = "1".into();
                }
                state.orders.insert(id, order.clone());
                Ok(order)
            },
            Some("lsps1.get_order") => {
                let id = params["order_id"].as_str().unwrap_or_default();
                state.orders.get(id).cloned().ok_or((101, "not found"))
            },
            _ => Err((-32_601, "method not found")),
        }
    }

    fn taken(&self, id: &str, params: &Value) -> Value {
        let mut order = params.clone();
        let total_sats = FEE_SATS + sats(&params["client_balance_sat"]);
        let option = || {
            json!({
                "state": "EXPECT_PAYMENT", "expires_at": EXPIRES_AT,
                "fee_total_sat": FEE_SATS.to_string(), "order_total_sat": total_sats.to_string(),
            })
        };
        let (mut bolt11, mut onchain) = (option(), option());
        bolt11["invoice"] = self.invoice.as_str().into();
        onchain["address"] = self.address.as_str().into();
        onchain["min_onchain_payment_confirmations"] = 3.into();
        onchain["min_fee_for_0conf"] = 253.into();
        onchain["refund_onchain_address"] = params["refund_onchain_address"].clone();
        order["order_id"] = id.into();
        order["created_at"] = "2026-01-01T00:00:00.000Z".into();
        order["order_state"] = "CREATED".into();
        order["payment"] = json!({ "bolt11": bolt11, "onchain": onchain });
        order
    }
}

fn sats(text: &Value) -> u64 {
    text.as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn limits() -> Value {
    json!({
        "min_required_channel_confirmations": 2,
        "min_funding_confirms_within_blocks": 6,
        "supports_zero_channel_reserve": false,
        "max_channel_expiry_blocks": 20_160,
        "min_initial_client_balance_sat": "0",
        "max_initial_client_balance_sat": "50000",
        "min_initial_lsp_balance_sat": MIN_LSP_SATS.to_string(),
        "max_initial_lsp_balance_sat": MAX_LSP_SATS.to_string(),
        "min_channel_balance_sat": MIN_LSP_SATS.to_string(),
        "max_channel_balance_sat": (MAX_LSP_SATS + 10_000).to_string(),
    })
}

impl CustomMessageReader for Desk {
    type CustomMessage = RawLSPSMessage;

    fn read<R: LengthLimitedRead>(
        &self,
        message_type: u16,
        buffer: &mut R,
    ) -> Result<Option<RawLSPSMessage>, DecodeError> {
        if message_type != LSPS_MESSAGE_TYPE_ID {
            return Ok(None);
        }
        RawLSPSMessage::read_from_fixed_length_buffer(buffer).map(Some)
    }
}

impl CustomMessageHandler for Desk {
    fn handle_custom_message(
        &self,
        message: RawLSPSMessage,
        sender: PublicKey,
    ) -> Result<(), LightningError> {
        let request: Value = serde_json::from_str(&message.payload).unwrap_or_default();
        if self.state().mood == Mood::Silent {
            return Ok(());
        }
        let mut answer = json!({ "jsonrpc": "2.0", "id": request["id"] });
        match self.answer(&request) {
            Ok(result) => answer["result"] = result,
            Err((code, message)) => answer["error"] = json!({ "code": code, "message": message }),
        }
        self.answers().push((sender, RawLSPSMessage { payload: answer.to_string() }));
        Ok(())
    }

    fn get_and_clear_pending_msg(&self) -> Vec<(PublicKey, RawLSPSMessage)> {
        std::mem::take(&mut *self.answers())
    }

    fn peer_disconnected(&self, _: PublicKey) {}

    fn peer_connected(&self, _: PublicKey, _: &Init, _: bool) -> Result<(), ()> {
        Ok(())
    }

    fn provided_node_features(&self) -> NodeFeatures {
        NodeFeatures::empty()
    }

    fn provided_init_features(&self, _: PublicKey) -> InitFeatures {
        InitFeatures::empty()
    }
}

struct Unlogged;

impl Logger for Unlogged {
    fn log(&self, _: Record<'_>) {}
}
