"""Calls Getinfo as document 002 has it, with stubs made of the proto files."""

from pathlib import Path
from node_pb2_grpc import NodeStub
import node_pb2
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
stub = NodeStub(channel)

print(stub.Getinfo(node_pb2.GetinfoRequest()))
