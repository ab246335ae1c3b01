"""Calls Core Lightning's gRPC service, and prints what comes of it as lines of JSON.

Arguments: pyln (stubs of the package pyln-grpc-proto) or own (stubs in PYTHONPATH); the port; the
directory of ca.pem, client.pem and client-key.pem; the call; the request as JSON. A stream is printed
message by message, after a line that says that it has begun.
"""

import json
import sys
from pathlib import Path

import grpc
from google.protobuf import json_format

whose, port, directory, call, request = sys.argv[1:]
if whose == "pyln":
    from pyln.grpc import node_pb2
    from pyln.grpc.node_pb2_grpc import NodeStub
else:
    import node_pb2
    from node_pb2_grpc import NodeStub


def read(name):
    path = Path(directory) / name
    return path.read_bytes() if path.exists() else None


def show(message):
    fields = json_format.MessageToDict(message, preserving_proto_field_name=True)
    print(json.dumps(fields), flush=True)


credentials = grpc.ssl_channel_credentials(
    root_certificates=read("ca.pem"),
    private_key=read("client-key.pem"),
    certificate_chain=read("client.pem"),
)
options = (("grpc.ssl_target_name_override", "cln"),)
channel = grpc.secure_channel(f"localhost:{port}", credentials, options)
method = node_pb2.DESCRIPTOR.services_by_name["Node"].methods_by_name[call]
types = sys.modules[node_pb2.__name__]
message = json_format.ParseDict(json.loads(request), getattr(types, method.input_type.name)())
try:
    answer = getattr(NodeStub(channel), call)(message, timeout=60)
    if method.server_streaming:
        answer.initial_metadata()
        print(json.dumps({"begun": True}), flush=True)
        for one in answer:
            show(one)
    else:
        show(answer)
except grpc.RpcError as error:
    print(json.dumps({"error": {"code": error.code().name, "details": error.details()}}), flush=True)
