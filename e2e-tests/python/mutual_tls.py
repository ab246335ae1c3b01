"""Calls a node with the certificate of a client: document 002's program, with this API."""

from pathlib import Path
from api_pb2_grpc import LightningNodeStub
import api_pb2
import grpc
import sys

p = Path(".")
cert_path = p / "client.pem"
key_path = p / "client-key.pem"
ca_cert_path = p / "ca.pem"

creds = grpc.ssl_channel_credentials(
    root_certificates=ca_cert_path.open("rb").read(),
    private_key=key_path.open("rb").read(),
    certificate_chain=cert_path.open("rb").read(),
)

channel = grpc.secure_channel(
    f"localhost:{sys.argv[1]}",
    creds,
    options=(("grpc.ssl_target_name_override", "cln"),),
)
stub = LightningNodeStub(channel)

print(stub.GetNodeInfo(api_pb2.GetNodeInfoRequest()))
