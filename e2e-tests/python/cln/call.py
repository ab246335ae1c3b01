"""Calls one method with the package `pyln-client`, and prints what it returned or raised as JSON.

    call.py SOCKET METHOD ARGUMENTS    ARGUMENTS is a JSON object
"""

import json
import sys

from pyln.client import LightningRpc, RpcError

socket, method, arguments = sys.argv[1:]
rpc = LightningRpc(socket)
try:
    result = getattr(rpc, method)(**json.loads(arguments))
    # It makes objects of amounts.
    print(json.dumps({"result": result}, default=int))
except RpcError as error:
    print(json.dumps({"error": error.error}))
