"""What schemathesis cannot read in the document: credentials, and streams in envelopes."""

import hashlib
import hmac
import json
import os
import struct
import time

import schemathesis

ENVELOPES = "application/connect+json"
# It could revoke the rune that all others are called with.
SIGNED = "/v1/revoke-rune"
STREAM_TIMEOUT_MS = "500"


def signature():
    """An x-auth header, which is good for a minute."""
    now = int(time.time())
    mac = hmac.new(os.environ["API_KEY"].encode(), now.to_bytes(8, "big"), hashlib.sha256)
    return f"HMAC {now}:{mac.hexdigest()}"


@schemathesis.auth()
class Credential:
    def get(self, case, context):
        if case.operation.path == SIGNED:
            return "x-auth", signature()
        return "rune", os.environ["RUNE"]

    def set(self, case, data, context):
        name, value = data
        case.headers = {**(case.headers or {}), name: value}


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.media_type == ENVELOPES:
        case.headers["connect-timeout-ms"] = STREAM_TIMEOUT_MS


@schemathesis.serializer(ENVELOPES)
def envelope(context, value):
    message = json.dumps(value).encode()
    return struct.pack(">BI", 0, len(message)) + message


@schemathesis.deserializer(ENVELOPES)
def first_message(context, response):
    _, length = struct.unpack(">BI", response.content[:5])
    return json.loads(response.content[5 : 5 + length])
