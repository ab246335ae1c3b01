//! Offers of nodes that are often offline.

use clap::Args;
use ldk_server_grpc::api::{
    Bolt12ReceiveAsyncRequest, CreateAsyncRecipientPathsRequest, SetStaticInvoiceServerRequest,
};

unary_commands!(Commands {
    Bolt12ReceiveAsync => bolt12_receive_async,
    SetStaticInvoiceServer => set_static_invoice_server,
    CreateAsyncRecipientPaths => create_async_recipient_paths,
});

/// Show an offer that can be paid while this node is offline (experimental)
///
/// It needs a static invoice server; see `set-static-invoice-server`.
#[derive(Debug, Args)]
pub(crate) struct Bolt12ReceiveAsync;

impl From<Bolt12ReceiveAsync> for Bolt12ReceiveAsyncRequest {
    fn from(_: Bolt12ReceiveAsync) -> Self {
        Self {}
    }
}

/// Set the node that answers for this one while it is offline (experimental)
#[derive(Debug, Args)]
pub(crate) struct SetStaticInvoiceServer {
    /// The paths to it, as hex: what `create-async-recipient-paths` printed there
    paths: String,
}

impl From<SetStaticInvoiceServer> for SetStaticInvoiceServerRequest {
    fn from(command: SetStaticInvoiceServer) -> Self {
        Self { paths: command.paths }
    }
}

/// Make the paths by which a node that is often offline finds this one as its server (experimental)
#[derive(Debug, Args)]
pub(crate) struct CreateAsyncRecipientPaths {
    /// A name for the recipient that no other has
    recipient_id: String,
}

impl From<CreateAsyncRecipientPaths> for CreateAsyncRecipientPathsRequest {
    fn from(command: CreateAsyncRecipientPaths) -> Self {
        Self { recipient_id: command.recipient_id }
    }
}
