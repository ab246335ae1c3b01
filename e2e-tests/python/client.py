"""A client made from the .proto files alone: prints who the node is, and then its first event.

Usage: client.py ADDRESS CERTIFICATE API_KEY_FILE

Each line of output is a JSON object.
"""

import hashlib
import hmac
import pathlib
import struct
import sys
import time

import grpc
from google.protobuf import json_format

import api_pb2
import api_pb2_grpc


def credential(api_key: str):
    """The x-auth header in its timestamp-only form."""
    now_secs = int(time.time())
    mac = hmac.new(api_key.encode(), struct.pack(">Q", now_secs), hashlib.sha256)
    return [("x-auth", f"HMAC {now_secs}:{mac.hexdigest()}")]


def show(message):
    print(json_format.MessageToJson(message, indent=None), flush=True)


def main(address: str, certificate: str, api_key_file: str):
    api_key = pathlib.Path(api_key_file).read_bytes().hex()
    tls = grpc.ssl_channel_credentials(pathlib.Path(certificate).read_bytes())
    with grpc.secure_channel(address, tls) as channel:
        node = api_pb2_grpc.LightningNodeStub(channel)
        events = node.SubscribeEvents(
            api_pb2.SubscribeEventsRequest(), metadata=credential(api_key)
        )
        events.initial_metadata()  # Comes when the server follows its events for us.
        show(node.GetNodeInfo(api_pb2.GetNodeInfoRequest(), metadata=credential(api_key)))
        show(next(events))


main(*sys.argv[1:])
