"""LNbits: one of its classes for wallets, whose settings are in the environment.

    lnbits_wallet.py CLASS
"""

import asyncio
import sys

from lnbits.db import Filters
from lnbits.settings import settings
from lnbits.wallets.clnrest import CLNRestWallet
from lnbits.wallets.corelightning import CoreLightningWallet
from lnbits.wallets.phoenixd import PhoenixdWallet
from loguru import logger

import driver

CLASSES = {each.__name__: each for each in (CLNRestWallet, CoreLightningWallet, PhoenixdWallet)}


class Client:
    def __init__(self):
        settings.lnbits_running = True
        self.wallet = CLASSES[sys.argv[1]]()

    async def start(self):
        status = await self.wallet.status()
        if status.error_message:
            raise RuntimeError(status.error_message)
        if not self.wallet.__node_cls__:
            return {"balance_msat": status.balance_msat}
        info = await self._node().get_info()
        return {"balance_msat": status.balance_msat, "id": info.id}

    def _node(self):
        return self.wallet.__node_cls__(self.wallet)

    async def invoice(self, amount_msat, label, description):
        made = await self.wallet.create_invoice(amount_msat // 1000, description)
        if not made.ok:
            raise RuntimeError(made.error_message)
        return {"bolt11": made.payment_request, "payment_hash": made.checking_id}

    async def is_paid(self, payment_hash):
        return bool((await self.wallet.get_invoice_status(payment_hash)).paid)

    async def pay(self, bolt11, max_fee_msat):
        paid = await self.wallet.pay_invoice(bolt11, max_fee_msat)
        if paid.ok:
            status = await self.wallet.get_payment_status(paid.checking_id)
            return {"paid": bool(status.paid), "preimage": paid.preimage}
        # What is None is pending: the sender may not have the money back.
        return {"failed": paid.ok is False, "message": paid.error_message}

    async def wait(self):
        # Only its log tells that it listens.
        connected = "connected to phoenixd"
        logger.add(lambda line: connected in line and print("Client Connected", flush=True))
        self.waiting = asyncio.create_task(self._wait())

    async def _wait(self):
        # As LNbits does it, which begins anew when the stream has ended.
        while True:
            try:
                async for payment_hash in self.wallet.paid_invoices_stream():
                    driver.told(payment_hash)
            except Exception as error:
                print(f"the stream has ended: {error!r}", file=sys.stderr, flush=True)
                await asyncio.sleep(0.2)

    async def history(self):
        node = self._node()
        invoices = (await node.get_invoices(Filters(limit=1000))).data
        payments = (await node.get_payments(Filters(limit=1000))).data
        return {
            "received": [row.payment_hash for row in invoices if not row.pending],
            "sent": [row.payment_hash for row in payments if not row.pending],
        }


driver.serve(Client)
