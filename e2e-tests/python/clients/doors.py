"""The doors of a node, as clients that are not there come in at them."""

import base64
import json
import socket

# What a client takes for the end of a payment that was not made.
FAILED = (-32602, 203, 205, 206, 207, 210)
PATIENCE_SECS = 60


class RpcError(Exception):
    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


LOST = (OSError, ValueError)


class Socket:
    """One connection for each call; what is sent has no end but that of its JSON."""

    def __init__(self, ends, recorded):
        self.path = ends["socket"]
        self.id = recorded["id"]
        # lightning-cli asks for progress before each call.
        self.has_notifications = recorded.get("has_notifications", False)

    def call(self, method, params):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.path)
            self.unread = b""
            if self.has_notifications:
                self._send(connection, "notifications", {"enable": True})
                self._reply(connection)
            self._send(connection, method, params)
            reply = self._reply(connection)
        if "error" in reply:
            raise RpcError(reply["error"]["code"], reply["error"]["message"])
        return reply["result"]

    def _send(self, connection, method, params):
        request = {"jsonrpc": "2.0", "id": self.id, "method": method, "params": params}
        connection.sendall(json.dumps(request).encode())

    def _reply(self, connection):
        """The next object with this id, after any that tell of progress."""
        while True:
            while b"\n\n" not in self.unread:
                some = connection.recv(65536)
                if not some:
                    raise ConnectionError("the connection has ended")
                self.unread += some
            text, _, self.unread = self.unread.partition(b"\n\n")
            reply = json.loads(text)
            if reply.get("id") == self.id:
                return reply

    def plain(self, value, name):
        return value

    def hash(self, payment_hash):
        return payment_hash


class Rest:
    def __init__(self, ends, recorded):
        import requests

        self.url = ends["rest_url"]
        self.session = requests.Session()
        # Most do not look at the certificate.
        self.session.verify = ends["rest_certificate"]
        self.session.headers[recorded.get("header", "rune")] = ends["rune"]

    def call(self, method, params):
        url = f"{self.url}/v1/{method}"
        answer = self.session.post(url, json=params, timeout=PATIENCE_SECS)
        body = answer.json()
        if answer.status_code >= 300:
            raise RpcError(body["code"], body["message"])
        return body

    def listen(self, connected, told):
        """Socket.IO, over websockets only."""
        import socketio

        def heard(data):
            if "invoice_payment" in data:
                told(data["invoice_payment"]["label"])

        client = socketio.Client(http_session=self.session, reconnection_delay_max=1)
        client.on("connect", connected)
        client.on("message", heard)
        client.connect(self.url, headers=dict(self.session.headers), transports=["websocket"])
        client.wait()

    def plain(self, value, name):
        return value

    def hash(self, payment_hash):
        return payment_hash


class Grpc:
    def __init__(self, ends, recorded):
        import grpc
        import node_pb2
        from google.protobuf import json_format
        from node_pb2_grpc import NodeStub

        self.grpc, self.messages, self.format = grpc, node_pb2, json_format
        read = lambda name: open(f"{ends['certificates']}/{name}", "rb").read()
        credentials = grpc.ssl_channel_credentials(
            root_certificates=read("ca.pem"),
            private_key=read("client-key.pem"),
            certificate_chain=read("client.pem"),
        )
        options = (("grpc.ssl_target_name_override", "cln"),)
        address = f"localhost:{ends['grpc_port']}"
        self.node = NodeStub(grpc.secure_channel(address, credentials, options=options))

    def call(self, method, params):
        described = self.messages.DESCRIPTOR.services_by_name["Node"].methods_by_name[method]
        request = getattr(self.messages, described.input_type.name)()
        self.format.ParseDict(params or {}, request)
        try:
            answer = getattr(self.node, method)(
                request, timeout=PATIENCE_SECS, wait_for_ready=True
            )
        except self.grpc.RpcError as error:
            # Core Lightning's error is text in that of gRPC.
            _, _, number = error.details().partition("code: Some(")
            code = number.partition(")")[0]
            raise RpcError(int(code) if code else None, error.details()) from error
        return self.format.MessageToDict(
            answer,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )

    def listen(self, connected, told):
        request = self.messages.StreamInvoicePaymentRequest()
        try:
            payments = self.node.SubscribeInvoicePayment(request, wait_for_ready=True)
            payments.initial_metadata()
            connected()
            for payment in payments:
                told(payment.label)
        except self.grpc.RpcError as error:
            raise RpcError(None, error.details()) from error

    def plain(self, value, name):
        """Hashes and ids, which are bytes, in hexadecimal."""
        if name.endswith(("status", "bolt11", "last", "msat", "label")):
            return value
        if isinstance(value, list):
            return [self.plain(each, name) for each in value]
        return base64.b64decode(value).hex()

    def hash(self, payment_hash):
        """A hash, as it is in a message."""
        return base64.b64encode(bytes.fromhex(payment_hash)).decode()


DOORS = {"socket": Socket, "rest": Rest, "grpc": Grpc}
