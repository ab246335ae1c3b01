//! Channels that a provider (LSP) is paid to open to this node (LSPS1).

use std::sync::Arc;
use std::time::{Duration, Instant};

use ldk_node::NodeError;
use ldk_node::liquidity::LSPS1OrderStatus;
use lightning_liquidity::lsps1::msgs::LSPS1OrderId;

use super::jit::unreachable;
use super::peers::{self, PeerAddress};
use crate::app::{App, ChannelProvider, LiquidityProvider};
use crate::compat::lsps1::{self, Failure, LimitedAmount};
use crate::error::Error;
use crate::executor::joined;

/// How long the library waits for an answer of the LSP.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The error code of LSPS1 for an order that the LSP does not know.
const NO_SUCH_ORDER: i32 = 101;

/// A channel to order.
#[derive(Clone, Copy)]
pub struct InboundChannel {
    /// What the LSP has in it, in satoshis.
    pub lsp_balance_sats: u64,
    /// What this node has in it, in satoshis.
    pub client_balance_sats: u64,
    /// How long the LSP keeps it open, in blocks.
    pub expiry_blocks: u32,
    /// Whether it is announced.
    pub announce: bool,
}

/// Places an order for a channel. The LSP opens it when it has been paid.
pub async fn request(app: &Arc<App>, channel: InboundChannel) -> Result<LSPS1OrderStatus, Error> {
    ask(app, move |app| {
        app.node.lsps1_liquidity().request_channel(
            channel.lsp_balance_sats,
            channel.client_balance_sats,
            channel.expiry_blocks,
            channel.announce,
        )
    })
    .await
}

/// Asks the LSP what has become of an order.
pub async fn order(app: &Arc<App>, id: String) -> Result<LSPS1OrderStatus, Error> {
    ask(app, move |app| app.node.lsps1_liquidity().check_order_status(LSPS1OrderId(id))).await
}

async fn ask(
    app: &Arc<App>,
    question: impl FnOnce(&App) -> Result<LSPS1OrderStatus, NodeError> + Send + 'static,
) -> Result<LSPS1OrderStatus, Error> {
    let ChannelProvider { provider, asking } =
        app.channel_provider.as_ref().ok_or_else(none_configured)?;
    let LiquidityProvider { node_id, address, ordering } = provider;
    let place = ordering.try_enter()?;
    let peer = PeerAddress { node_id: *node_id, address: address.clone(), persist: false };
    peers::connect(app, peer).await.map_err(unreachable)?;
    // One after the other: what the log says about a failure does not name the question.
    let turn = asking.enter().await?;
    let working = Arc::clone(app);
    let work = app.executor.spawn("ask_channel_provider", move || {
        let _places = (place, turn);
        let (seen, started) = (lsps1::seen(), Instant::now());
        question(&working).map_err(|error| refusal(error, lsps1::after(seen), started.elapsed()))
    });
    joined("ask_channel_provider", work).await
}

fn none_configured() -> Error {
    Error::FailedPrecondition(
        "no provider of channels is configured; set liquidity.lsps1_client.node_pubkey and \
         liquidity.lsps1_client.address"
            .to_owned(),
    )
}

/// What a failure of the library means, with what its log says.
fn refusal(error: NodeError, logged: Option<Failure>, took: Duration) -> Error {
    match (error, logged) {
        (NodeError::LiquidityRequestFailed, Some(failure)) => explained(failure),
        (NodeError::LiquidityRequestFailed, None) if took >= ANSWER_TIMEOUT => {
            Error::Unavailable(format!(
                "the liquidity provider did not answer within {} s; if a channel was ordered, the \
                 order may stand, but costs nothing unless it is paid",
                ANSWER_TIMEOUT.as_secs()
            ))
        },
        (NodeError::LiquidityRequestFailed, None) => {
            Error::FailedPrecondition("the liquidity provider took no order".to_owned())
        },
        (NodeError::ConnectionFailed | NodeError::InvalidSocketAddress, _) => {
            Error::Unavailable("the connection to the liquidity provider was lost".to_owned())
        },
        (NodeError::LiquiditySourceUnavailable, _) => none_configured(),
        (other, _) => other.into(),
    }
}

fn explained(failure: Failure) -> Error {
    match failure {
        Failure::Refused { code: NO_SUCH_ORDER, message } => Error::NotFound(format!(
            "order_id: the liquidity provider knows no such order: \"{message}\" (code \
             {NO_SUCH_ORDER})"
        )),
        Failure::Refused { code, message } => Error::FailedPrecondition(format!(
            "the liquidity provider refused: \"{message}\" (code {code})"
        )),
        Failure::OutOfLimits { amount, limits } => {
            let (field, what) = match amount {
                LimitedAmount::Channel => ("lsp_balance_sats", "with client_balance_sats"),
                LimitedAmount::Lsp => ("lsp_balance_sats", "alone"),
                LimitedAmount::Client => ("client_balance_sats", "alone"),
            };
            let reason = format!("{what} is not within the provider's limits ({limits})");
            Error::invalid(field, reason)
        },
        Failure::OtherTerms => Error::FailedPrecondition(
            "the liquidity provider confirmed another order than the one that was placed; it is not \
             to be paid"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(logged: Option<Failure>, took: Duration) -> Error {
        refusal(NodeError::LiquidityRequestFailed, logged, took)
    }

    #[test]
    fn the_providers_reason_is_told() {
        let refused = |code| {
            failed(Some(Failure::Refused { code, message: "no".to_owned() }), ANSWER_TIMEOUT)
        };
        assert!(matches!(refused(NO_SUCH_ORDER), Error::NotFound(_)));
        let other = refused(100);
        assert!(matches!(other, Error::FailedPrecondition(_)));
        assert!(other.to_string().contains("\"no\" (code 100)"), "{other}");
        let other = failed(Some(Failure::OtherTerms), Duration::ZERO);
        assert!(matches!(other, Error::FailedPrecondition(_)));
    }

    #[test]
    fn limits_name_the_field() {
        for (amount, field) in [
            (LimitedAmount::Channel, "lsp_balance_sats"),
            (LimitedAmount::Lsp, "lsp_balance_sats"),
            (LimitedAmount::Client, "client_balance_sats"),
        ] {
            let limits = "min: 1sat, max: 2sat".to_owned();
            let error = failed(Some(Failure::OutOfLimits { amount, limits }), Duration::ZERO);
            let text = error.to_string();
            assert!(text.starts_with(field) && text.contains("max: 2sat"), "{text}");
        }
    }

    #[test]
    fn a_silent_provider_is_unavailable() {
        assert!(matches!(failed(None, ANSWER_TIMEOUT), Error::Unavailable(_)));
        assert!(matches!(failed(None, Duration::ZERO), Error::FailedPrecondition(_)));
    }
}
