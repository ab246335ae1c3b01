"""A plugin made with the package `pyln-client`: a greeting, what it was told, and some bad manners."""

import os
import sys
import threading

from pyln.client import Plugin

plugin = Plugin()
told = []


@plugin.init()
def init(options, configuration, plugin):
    plugin.log("the greeting is {}".format(options["greeting"]))


@plugin.method("hello")
def hello(plugin, name="world"):
    """Greets somebody."""
    return "{} {}".format(plugin.get_option("greeting"), name)


@plugin.method("whose")
def whose(plugin):
    """The node's id, as the node tells it on its socket, and the number of this process."""
    return {"id": plugin.rpc.getinfo()["id"], "pid": os.getpid()}


@plugin.method("told")
def what_was_told(plugin):
    """What this plugin was told."""
    return told


@plugin.method("fails")
def fails(plugin):
    """Fails."""
    raise ValueError("of its own accord")


@plugin.async_method("hangs")
def hangs(plugin, request):
    """Is never answered."""


@plugin.method("stops-reading")
def stops_reading(plugin):
    """Reads nothing any more."""
    threading.Event().wait()


@plugin.method("crashes")
def crashes(plugin):
    """Ends at once."""
    os._exit(3)


@plugin.subscribe("connect")
def on_connect(plugin, id, address, **kwargs):
    told.append({"connect": id})


@plugin.subscribe("invoice_payment")
def on_payment(plugin, invoice_payment, **kwargs):
    told.append({"invoice_payment": invoice_payment["label"]})


if os.path.basename(sys.argv[0]) == "hook.py":

    @plugin.hook("htlc_accepted")
    def on_htlc_accepted(onion, htlc, plugin, **kwargs):
        return {"result": "fail"}


plugin.add_option("greeting", "Hello", "How to greet.")
plugin.run()
