//! The endpoints: their paths, and what answers them.

use http::Method;

use super::answer::{Answer, Refusal};
use super::params::Params;
use super::{Call, decode, export, incoming, info, lnurl, logins, onchain, outgoing, pay, receive};
use crate::caller::Caller;

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    name: Name,
    /// What the path ends with, where it names one thing.
    item: Option<String>,
}

/// Why there is no endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoEndpoint {
    /// There is none at this path.
    Path,
    /// It has another method.
    Method,
}

/// Where an endpoint has its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It is read with GET, and has them in the query.
    Get,
    /// It is called with POST, and has them in a form.
    Post,
    /// The same, for whoever may pay.
    Pay,
    /// It is called with POST, and has them in the query.
    PostQuery,
}

macro_rules! endpoints {
    ($($name:ident $path:literal $kind:ident;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Name {
            $($name,)*
        }

        /// Each with its path, which ends with a slash where what it is about follows.
        const ENDPOINTS: &[(Name, &str, Kind)] = &[$((Name::$name, $path, Kind::$kind),)*];
    };
}

endpoints! {
    GetInfo "getinfo" Get;
    GetBalance "getbalance" Get;
    EstimateLiquidityFees "estimateliquidityfees" Get;
    ListChannels "listchannels" Get;
    CreateInvoice "createinvoice" Post;
    CreateOffer "createoffer" Post;
    GetOffer "getoffer" Get;
    GetLnAddress "getlnaddress" Get;
    ListIncoming "payments/incoming" Get;
    GetIncoming "payments/incoming/" Get;
    ListOutgoing "payments/outgoing" Get;
    GetOutgoing "payments/outgoing/" Get;
    GetOutgoingByHash "payments/outgoingbyhash/" Get;
    PayInvoice "payinvoice" Pay;
    PayOffer "payoffer" Pay;
    PayLnAddress "paylnaddress" Pay;
    DecodeInvoice "decodeinvoice" Post;
    DecodeOffer "decodeoffer" Post;
    LnurlPay "lnurlpay" Pay;
    LnurlWithdraw "lnurlwithdraw" Post;
    LnurlAuth "lnurlauth" Pay;
    SendToAddress "sendtoaddress" Pay;
    BumpFee "bumpfee" Pay;
    CloseChannel "closechannel" Pay;
    Export "export" PostQuery;
}

impl Kind {
    fn accepts(self, method: &Method) -> bool {
        match self {
            Self::Get => matches!(*method, Method::GET | Method::HEAD),
            Self::Post | Self::Pay | Self::PostQuery => *method == Method::POST,
        }
    }
}

impl Endpoint {
    /// The endpoint at this path.
    pub(crate) fn find(method: &Method, path: &str) -> Result<Self, NoEndpoint> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let found = ENDPOINTS.iter().find_map(|(name, at, kind)| {
            let item = path.strip_prefix(at)?;
            let names_one = at.ends_with('/');
            let is_here = if names_one { !item.contains('/') } else { item.is_empty() };
            let item = names_one.then(|| item.to_owned());
            is_here.then_some((Self { name: *name, item }, *kind))
        });
        let (endpoint, kind) = found.ok_or(NoEndpoint::Path)?;
        kind.accepts(method).then_some(endpoint).ok_or(NoEndpoint::Method)
    }

    /// Whether the parameters are in a form.
    pub(crate) fn takes_form(&self) -> bool {
        matches!(self.kind(), Kind::Post | Kind::Pay)
    }

    /// Whether this caller has a password that is not for it.
    pub(crate) fn is_denied_to(&self, caller: &Caller) -> bool {
        self.kind() == Kind::Pay && logins::is_limited(caller)
    }

    fn kind(&self) -> Kind {
        let found = ENDPOINTS.iter().find(|(name, ..)| *name == self.name);
        found.map_or(Kind::Pay, |(_, _, kind)| *kind)
    }

    pub(super) async fn run(self, call: Call, params: Params) -> Result<Answer, Refusal> {
        let item = self.item.unwrap_or_default();
        match self.name {
            Name::GetInfo => info::get_info(&call).await,
            Name::GetBalance => info::get_balance(&call).await,
            Name::ListChannels => info::list_channels(&call).await,
            Name::CreateInvoice => receive::create_invoice(&call, &params).await,
            Name::CreateOffer => receive::create_offer(&call, &params).await,
            Name::GetOffer => receive::get_offer(&call).await,
            Name::ListIncoming => incoming::list(&call, &params).await,
            Name::GetIncoming => incoming::get(&call, &item).await,
            Name::ListOutgoing => outgoing::list(&call, &params).await,
            Name::GetOutgoing => outgoing::get(&call, &item).await,
            Name::GetOutgoingByHash => outgoing::get_by_hash(&call, &item).await,
            Name::PayInvoice => pay::pay_invoice(&call, &params).await,
            Name::PayOffer => pay::pay_offer(&call, &params).await,
            Name::PayLnAddress => lnurl::pay_address(&call, &params).await,
            Name::DecodeInvoice => decode::invoice(&call, &params).await,
            Name::DecodeOffer => decode::offer(&call, &params).await,
            Name::LnurlPay => lnurl::pay(&call, &params).await,
            Name::LnurlWithdraw => lnurl::withdraw(&call, &params).await,
            Name::SendToAddress => onchain::send_to_address(&call, &params).await,
            Name::Export => export::export(&call, &params).await,
            Name::EstimateLiquidityFees => Err(Refusal::Impossible(
                "estimateliquidityfees: no provider opens channels to this node by itself; order one by \
                 RequestInboundChannel of the node's own API",
            )),
            Name::GetLnAddress => Err(Refusal::Impossible(
                "getlnaddress: no service gives this node an address; publish getoffer under a name of \
                 yours (BIP 353)",
            )),
            Name::LnurlAuth => {
                Err(Refusal::Impossible("lnurlauth: this node signs in nowhere with its keys"))
            },
            Name::BumpFee => Err(Refusal::Impossible(
                "bumpfee: the node library cannot raise the fee of a transaction that was sent",
            )),
            Name::CloseChannel => Err(Refusal::Impossible(
                "closechannel: the node library closes channels to its own wallet and at its own fee rate; \
                 use CloseChannel of the node's own API, and then sendtoaddress",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(method: &Method, path: &str) -> Result<(Name, Option<String>), NoEndpoint> {
        Endpoint::find(method, path).map(|Endpoint { name, item }| (name, item))
    }

    #[test]
    fn an_endpoint_has_one_path_and_method() {
        assert_eq!(find(&Method::GET, "/getinfo"), Ok((Name::GetInfo, None)));
        assert_eq!(find(&Method::POST, "/getinfo"), Err(NoEndpoint::Method));
        assert_eq!(find(&Method::GET, "/payinvoice"), Err(NoEndpoint::Method));
        for path in
            ["/", "/getinfos", "/getinfo/", "/GetInfo", "/payments", "/payments/incoming/a/b"]
        {
            assert_eq!(find(&Method::GET, path), Err(NoEndpoint::Path), "{path}");
        }
    }

    #[test]
    fn what_is_asked_for_follows_in_the_path() {
        let item = |path| find(&Method::GET, path).unwrap();
        assert_eq!(item("/payments/incoming"), (Name::ListIncoming, None));
        assert_eq!(item("/payments/incoming/aa"), (Name::GetIncoming, Some("aa".to_owned())));
        assert_eq!(item("/payments/outgoing/bb"), (Name::GetOutgoing, Some("bb".to_owned())));
        let by_hash = (Name::GetOutgoingByHash, Some("cc".to_owned()));
        assert_eq!(item("/payments/outgoingbyhash/cc"), by_hash);
    }
}
