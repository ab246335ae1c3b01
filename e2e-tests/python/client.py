"""A client made from the .proto files alone: what alice and bob do with each other.

Usage: client.py ALICE_ADDRESS CERTIFICATE API_KEY_FILE BOB_ADDRESS CERTIFICATE API_KEY_FILE LIGHTNING_ADDRESS

LIGHTNING_ADDRESS is where bob listens for peers. The two share a channel. Calls to alice are signed
in the oldest form of x-auth, by their time only; those to bob, who accepts no other, each for itself.
Each line of output is a JSON object: the name of a call, and what came of it.
"""

import hashlib
import hmac
import json
import pathlib
import secrets
import struct
import sys
import time

import grpc
from google.protobuf import json_format

import api_pb2
import api_pb2_grpc
import types_pb2

PATIENCE_SECS = 30
AMOUNT_MSAT = 25_000_000
AMOUNT_SATS = 50_000
NOBODYS_CHANNEL = "42"


def x_auth_of_time(api_key: str):
    """The header of the oldest form."""
    now_secs = int(time.time())
    mac = hmac.new(api_key.encode(), struct.pack(">Q", now_secs), hashlib.sha256)
    return [("x-auth", f"HMAC {now_secs}:{mac.hexdigest()}")]


def x_auth(api_key: str, method: str, body: bytes):
    """The header that is good for this request, once."""
    now_secs, nonce, path = int(time.time()), secrets.token_bytes(16), method.encode()
    signed = b"HMAC2" + struct.pack(">Q", now_secs) + nonce
    signed += struct.pack(">I", len(path)) + path + body
    mac = hmac.new(api_key.encode(), signed, hashlib.sha256)
    return [("x-auth", f"HMAC2 {now_secs}:{nonce.hex()}:{mac.hexdigest()}")]


def frame(message: bytes):
    """The body of the HTTP request: not compressed, the length, the message."""
    return struct.pack(">BI", 0, len(message)) + message


class SigningChannel:
    """A channel for a generated stub. It serializes requests itself, so that what it signs is what
    is sent."""

    def __init__(self, channel, api_key: str, whole: bool):
        self._channel = channel
        self._api_key = api_key
        self._whole = whole

    def unary_unary(self, method, request_serializer, response_deserializer, **options):
        call = self._channel.unary_unary(
            method, response_deserializer=response_deserializer, **options
        )
        return self._signed(method, call, request_serializer)

    def unary_stream(self, method, request_serializer, response_deserializer, **options):
        call = self._channel.unary_stream(
            method, response_deserializer=response_deserializer, **options
        )
        return self._signed(method, call, request_serializer)

    def _signed(self, method, call, serializer):
        def send(request, **options):
            message = serializer(request)
            if self._whole:
                metadata = x_auth(self._api_key, method, frame(message))
            else:
                metadata = x_auth_of_time(self._api_key)
            return call(message, metadata=metadata, **options)

        return send


class Node:
    """A node, as `stub` of the service."""

    def __init__(self, address: str, certificate: str, api_key_file: str, whole: bool):
        tls = grpc.ssl_channel_credentials(pathlib.Path(certificate).read_bytes())
        self._channel = grpc.secure_channel(address, tls)
        self._api_key = pathlib.Path(api_key_file).read_bytes().hex()
        self.stub = self.stub_with(self._api_key, whole)

    def stub_with(self, api_key: str, whole: bool):
        channel = SigningChannel(self._channel, api_key, whole)
        return api_pb2_grpc.LightningNodeStub(channel)

    def stub_with_the_older_form(self):
        return self.stub_with(self._api_key, whole=False)


def show(name: str, message):
    print(json.dumps({name: json_format.MessageToDict(message)}), flush=True)


def show_refusal(name: str, call):
    """What a call answers that must be refused."""
    try:
        answer = call()
    except grpc.RpcError as error:
        refusal = {"code": error.code().name, "message": error.details()}
        print(json.dumps({name: refusal}), flush=True)
    else:
        raise AssertionError(f"{name} answered {answer}")


def until(what: str, look):
    """Looks again and again until there is something, and returns it."""
    deadline = time.monotonic() + PATIENCE_SECS
    while not (found := look()):
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.1)
    return found


def connected(node, node_id: str):
    peers = node.ListPeers(api_pb2.ListPeersRequest()).peers
    return [peer for peer in peers if peer.node_id == node_id and peer.is_connected]


def usable_channel(node):
    channels = node.ListChannels(api_pb2.ListChannelsRequest()).channels
    return next((channel for channel in channels if channel.is_usable), None)


def reconnect(alice, alice_id: str, bob, bob_id: str, address: str):
    alice.DisconnectPeer(api_pb2.DisconnectPeerRequest(node_pubkey=bob_id))
    until("bob has lost alice", lambda: not connected(bob, alice_id))
    request = api_pb2.ConnectPeerRequest(node_pubkey=bob_id, address=address, persist=True)
    alice.ConnectPeer(request)
    until("bob has alice back", lambda: connected(bob, alice_id))
    show("ListPeers", alice.ListPeers(api_pb2.ListPeersRequest()))


def send_on_chain(alice, bob):
    address = bob.OnchainReceive(api_pb2.OnchainReceiveRequest()).address
    request = api_pb2.OnchainSendRequest(address=address, amount_sats=AMOUNT_SATS)
    show("OnchainSend", alice.OnchainSend(request))


def pay(alice, bob, events):
    for node in (alice, bob):
        until("the channel is usable", lambda: usable_channel(node))
    request = api_pb2.Bolt11ReceiveRequest(amount_msat=AMOUNT_MSAT, expiry_secs=3600)
    request.description.direct = "coffee"
    invoice = bob.Bolt11Receive(request).invoice
    payment_id = alice.Bolt11Send(api_pb2.Bolt11SendRequest(invoice=invoice)).payment_id
    show("SubscribeEvents", next(event for event in events if event.HasField("payment_received")))

    def success():
        request = api_pb2.GetPaymentDetailsRequest(payment_id=payment_id)
        answer = alice.GetPaymentDetails(request)
        return answer if answer.payment.status == types_pb2.SUCCEEDED else None

    show("GetPaymentDetails", until("the payment has succeeded", success))


def close(alice, bob_id: str):
    def request(user_channel_id: str):
        return api_pb2.CloseChannelRequest(
            user_channel_id=user_channel_id, counterparty_node_id=bob_id
        )

    show_refusal("CloseChannel", lambda: alice.CloseChannel(request(NOBODYS_CHANNEL)))
    channels = alice.ListChannels(api_pb2.ListChannelsRequest())
    show("ListChannels", channels)
    show("CloseChannel", alice.CloseChannel(request(channels.channels[0].user_channel_id)))


def main(alice: list, bob: list, lightning_address: str):
    alice, bob = Node(*alice, whole=False), Node(*bob, whole=True)
    events = bob.stub.SubscribeEvents(api_pb2.SubscribeEventsRequest())
    events.initial_metadata()  # Comes when the server follows its events for us.

    infos = [node.stub.GetNodeInfo(api_pb2.GetNodeInfoRequest()) for node in (alice, bob)]
    alice_id, bob_id = (info.node_id for info in infos)
    for info in infos:
        show("GetNodeInfo", info)
    for stub in (bob.stub_with_the_older_form(), bob.stub_with("00" * 32, whole=True)):
        show_refusal("GetNodeInfo", lambda: stub.GetNodeInfo(api_pb2.GetNodeInfoRequest()))

    show("GetBalances", alice.stub.GetBalances(api_pb2.GetBalancesRequest()))
    reconnect(alice.stub, alice_id, bob.stub, bob_id, lightning_address)
    send_on_chain(alice.stub, bob.stub)
    pay(alice.stub, bob.stub, events)
    close(alice.stub, bob_id)
    events.cancel()


main(sys.argv[1:4], sys.argv[4:7], sys.argv[7])
