"""A plugin that decides on payments and calls. The file `mode` beside it says how; what it was asked is added to
the file `asked`, and its process number is in the file `pid`."""

import json
import os
import sys
import threading

from pyln.client import Plugin

HERE = os.path.dirname(os.path.abspath(sys.argv[0]))
plugin = Plugin()


def mode():
    with open(os.path.join(HERE, "mode")) as file:
        return file.read().strip()


def was_asked(what):
    with open(os.path.join(HERE, "asked"), "a") as file:
        file.write(json.dumps(what) + "\n")


@plugin.init()
def init(options, configuration, plugin):
    # A call of a plugin that has to be asked itself.
    plugin.rpc.getinfo()
    with open(os.path.join(HERE, "pid.new"), "w") as file:
        file.write(str(os.getpid()))
    os.rename(os.path.join(HERE, "pid.new"), os.path.join(HERE, "pid"))


@plugin.async_hook("invoice_payment")
def on_payment(payment, plugin, request, **kwargs):
    was_asked(payment)
    is_slow = payment["label"].startswith("slow")
    if mode() == "hang" and is_slow:
        return
    if mode() == "block" and is_slow:
        threading.Event().wait()
    if mode() == "reject":
        request.set_result({"result": "reject"})
    elif mode() == "fail":
        request.set_result({"failure_message": "2002"})
    else:
        request.set_result({"result": "continue"})


@plugin.async_hook("rpc_command")
def on_call(rpc_command, plugin, request, **kwargs):
    was_asked({"method": rpc_command["method"], "params": rpc_command["params"]})
    method = rpc_command["method"]
    if mode() == "pass":
        request.set_result({"result": "continue"})
    elif method == "feerates":
        request.set_result({"replace": {"id": rpc_command["id"], "method": "getinfo", "params": {}}})
    elif method == "listpeers":
        request.set_result({"return": {"result": {"peers": "none of your business"}}})
    elif method == "listfunds":
        request.set_result({"return": {"error": {"code": 7, "message": "not today"}}})
    elif method == "listchannels":
        plugin.rpc.listfunds()
        request.set_result({"result": "continue"})
    elif method != "listnodes":
        request.set_result({"result": "continue"})


plugin.run()
