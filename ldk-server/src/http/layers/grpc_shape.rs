//! The shape of a gRPC call of this service. Method and content type of the request are checked before
//! the key, and the path after it: strangers do not learn which RPCs there are.

use http::{HeaderValue, Method, Request, header};
use ldk_server_grpc::{RPC_NAMES, SERVICE_NAME};
use tonic::Status;

use super::check::Check;
use crate::rest;

/// Checks that the request is a POST with the content type of gRPC, or a call in JSON.
#[derive(Clone, Copy)]
pub(in crate::http) struct Envelope;

/// Checks that the path is that of an RPC, and puts the [`Rpc`] into the extensions.
#[derive(Clone, Copy)]
pub(in crate::http) struct Path;

/// The name of the RPC that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) struct Rpc(pub(in crate::http) &'static str);

impl<B> Check<B> for Envelope {
    fn check(&self, request: &mut Request<B>) -> Result<(), Status> {
        if let Some(call) = request.extensions().get::<rest::Call>() {
            return call.check();
        }
        if request.method() != Method::POST {
            return Err(Status::unimplemented("gRPC calls are POST requests"));
        }
        match request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes) {
            Some(b"application/grpc" | b"application/grpc+proto") => Ok(()),
            _ => Err(Status::invalid_argument(
                "content-type must be application/grpc or application/grpc+proto",
            )),
        }
    }
}

impl<B> Check<B> for Path {
    fn check(&self, request: &mut Request<B>) -> Result<(), Status> {
        let path = request.uri().path();
        let rpc = match request.extensions().get::<rest::Call>() {
            Some(_) => rest::name_in(path).map(Rpc).ok_or_else(unknown)?,
            None => Rpc::of(path)?,
        };
        request.extensions_mut().insert(rpc);
        Ok(())
    }
}

impl Rpc {
    fn of(path: &str) -> Result<Self, Status> {
        match path.strip_prefix('/').and_then(|path| path.split_once('/')) {
            Some((SERVICE_NAME, method)) => {
                let known = RPC_NAMES.iter().find(|known| **known == method);
                known.map(|known| Self(known)).ok_or_else(unknown)
            },
            _ => Err(Status::unimplemented(format!("no such service; this is {SERVICE_NAME}"))),
        }
    }

    /// The RPC of a request whose path was checked.
    pub(in crate::http) fn called<B>(request: &Request<B>) -> Result<Self, Status> {
        let rpc = request.extensions().get().copied();
        rpc.map_or_else(|| Self::of(request.uri().path()), Ok)
    }
}

fn unknown() -> Status {
    Status::unimplemented(format!("{SERVICE_NAME} has no such method"))
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn code(check: impl Check<()>, mut request: Request<()>) -> Code {
        check.check(&mut request).map_or_else(|refusal| refusal.code(), |()| Code::Ok)
    }

    fn with_content_type(value: &str) -> Request<()> {
        Request::post("/").header(header::CONTENT_TYPE, value).body(()).unwrap()
    }

    #[test]
    fn a_call_is_a_post_with_the_content_type_of_grpc() {
        for value in ["application/grpc", "application/grpc+proto"] {
            assert_eq!(code(Envelope, with_content_type(value)), Code::Ok);
        }
        for value in ["application/json", "application/grpc+json", "application/grpc; q=1", ""] {
            assert_eq!(code(Envelope, with_content_type(value)), Code::InvalidArgument, "{value}");
        }
        assert_eq!(code(Envelope, Request::post("/").body(()).unwrap()), Code::InvalidArgument);
        let mut get = with_content_type("application/json");
        *get.method_mut() = Method::GET;
        assert_eq!(code(Envelope, get), Code::Unimplemented, "the method comes first");
    }

    #[test]
    fn only_methods_of_the_service_are_called() {
        let called = |path: &str| Rpc::of(path).map_err(|refusal| refusal.code());
        assert_eq!(called("/api.LightningNode/GetNodeInfo"), Ok(Rpc("GetNodeInfo")));
        for path in [
            "/",
            "",
            "/api.LightningNode",
            "/api.LightningNode/",
            "/api.LightningNode/getnodeinfo",
            "/api.LightningNode/GetNodeInfo/",
            "/api.Other/GetNodeInfo",
            "api.LightningNode/GetNodeInfo",
        ] {
            assert_eq!(called(path), Err(Code::Unimplemented), "{path}");
        }
    }
}
