"""The package `pyln-grpc-proto` at the gRPC port.

    pyln_grpc.py PORT DIRECTORY    DIRECTORY has ca.pem, client.pem and client-key.pem
"""

import sys
import threading
import time
from pathlib import Path

import grpc
from pyln.grpc import node_pb2, primitives_pb2
from pyln.grpc.node_pb2_grpc import NodeStub

import driver

# Without `wait_for_ready`, calls fail at once while the server is away, and leave the library no time to
# connect anew.
PATIENT = {"timeout": 60, "wait_for_ready": True}
FAILED = ("Some(-32602)", "Some(203)", "Some(205)", "Some(206)", "Some(207)", "Some(210)")


def stub():
    port, directory = sys.argv[1:]
    read = lambda name: (Path(directory) / name).read_bytes()
    credentials = grpc.ssl_channel_credentials(
        root_certificates=read("ca.pem"),
        private_key=read("client-key.pem"),
        certificate_chain=read("client.pem"),
    )
    options = (("grpc.ssl_target_name_override", "cln"),)
    return NodeStub(grpc.secure_channel(f"localhost:{port}", credentials, options=options))


def amount(msat):
    return primitives_pb2.Amount(msat=msat)


class Client:
    def __init__(self):
        self.node = stub()

    def start(self):
        funds = self.node.ListFunds(node_pb2.ListfundsRequest(), **PATIENT)
        balance_msat = sum(channel.our_amount_msat.msat for channel in funds.channels)
        info = self.node.Getinfo(node_pb2.GetinfoRequest(), **PATIENT)
        return {"id": info.id.hex(), "balance_msat": balance_msat}

    def invoice(self, amount_msat, label, description):
        request = node_pb2.InvoiceRequest(
            amount_msat=primitives_pb2.AmountOrAny(amount=amount(amount_msat)),
            label=label,
            description=description,
        )
        made = self.node.Invoice(request, **PATIENT)
        return {"bolt11": made.bolt11, "payment_hash": made.payment_hash.hex()}

    def _invoices(self, **filters):
        request = node_pb2.ListinvoicesRequest(**filters)
        return self.node.ListInvoices(request, **PATIENT).invoices

    def is_paid(self, payment_hash):
        (row,) = self._invoices(payment_hash=bytes.fromhex(payment_hash))
        return row.HasField("paid_at")

    def pay(self, bolt11, max_fee_msat):
        request = node_pb2.PayRequest(bolt11=bolt11, maxfee=amount(max_fee_msat))
        try:
            paid = self.node.Pay(request, **PATIENT)
            is_complete = paid.status == node_pb2.PayResponse.PayStatus.COMPLETE
            return {"paid": is_complete, "preimage": paid.payment_preimage.hex()}
        except grpc.RpcError as error:
            is_failed = any(number in error.details() for number in FAILED)
            return {"failed": is_failed, "message": error.details()}

    def wait(self):
        last = max((row.pay_index for row in self._invoices()), default=0)
        threading.Thread(target=self._wait, args=[last], daemon=True).start()

    def _wait(self, last):
        while True:
            try:
                request = node_pb2.WaitanyinvoiceRequest(lastpay_index=last)
                row = self.node.WaitAnyInvoice(request, wait_for_ready=True)
                last = row.pay_index
                driver.told(row.payment_hash.hex())
            except grpc.RpcError:
                time.sleep(0.2)

    def history(self):
        request = node_pb2.ListpaysRequest(status=node_pb2.ListpaysRequest.ListpaysStatus.COMPLETE)
        payments = self.node.ListPays(request, **PATIENT).pays
        invoices = [row for row in self._invoices() if row.HasField("paid_at")]
        return {
            "received": [row.payment_hash.hex() for row in invoices],
            "sent": [row.payment_hash.hex() for row in payments],
        }


driver.serve(Client)
