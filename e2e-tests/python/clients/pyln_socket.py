"""The package `pyln-client` at the Unix socket.

    pyln_socket.py SOCKET
"""

import sys
import threading
import time

from pyln.client import LightningRpc, RpcError

import driver

# What `pay` says when nothing was paid, and nothing will be.
FAILED = (-32602, 203, 205, 206, 207, 209, 210)


class Client:
    def __init__(self):
        self.rpc = LightningRpc(sys.argv[1])

    def start(self):
        funds = self.rpc.listfunds()
        balance_msat = sum(channel["our_amount_msat"] for channel in funds["channels"])
        return {"id": self.rpc.getinfo()["id"], "balance_msat": balance_msat}

    def invoice(self, amount_msat, label, description):
        made = self.rpc.invoice(amount_msat, label, description)
        return {"bolt11": made["bolt11"], "payment_hash": made["payment_hash"]}

    def is_paid(self, payment_hash):
        (row,) = self.rpc.listinvoices(payment_hash=payment_hash)["invoices"]
        return row["status"] == "paid"

    def pay(self, bolt11, max_fee_msat):
        try:
            paid = self.rpc.pay(bolt11, maxfee=max_fee_msat)
            return {"paid": paid["status"] == "complete", "preimage": paid["payment_preimage"]}
        except RpcError as error:
            return {"failed": error.error["code"] in FAILED, "message": error.error["message"]}

    def wait(self):
        numbers = [row.get("pay_index", 0) for row in self.rpc.listinvoices()["invoices"]]
        threading.Thread(target=self._wait, args=[max(numbers, default=0)], daemon=True).start()

    def _wait(self, last):
        while True:
            try:
                row = self.rpc.waitanyinvoice(last)
                last = row["pay_index"]
                driver.told(row["payment_hash"])
            except (RpcError, OSError, ValueError):
                time.sleep(0.2)

    def history(self):
        invoices = self.rpc.listinvoices()["invoices"]
        payments = self.rpc.listpays(status="complete")["pays"]
        return {
            "received": [row["payment_hash"] for row in invoices if row["status"] == "paid"],
            "sent": [row["payment_hash"] for row in payments],
        }


driver.serve(Client)
