"""LNbits: its class for phoenixd, whose settings are in the environment, does what each line of the input says.

    {"do": "pay", "bolt11": "..."}

What comes of it is a line of the output.
"""

import asyncio
import json
import sys

from lnbits.db import Filters
from lnbits.nodes.phoenixd import PhoenixdNode
from lnbits.settings import settings
from lnbits.wallets.phoenixd import PhoenixdWallet
from loguru import logger


def say(**what):
    print(json.dumps(what), flush=True)


class Client:
    def __init__(self):
        settings.lnbits_running = True
        self.wallet = PhoenixdWallet()
        self.node = PhoenixdNode(self.wallet)

    async def status(self):
        status = await self.wallet.status()
        node = await self.node.get_info()
        say(
            error=status.error_message,
            balance_msat=status.balance_msat,
            id=node.id,
            node_balance_msat=node.balance_msat,
            active_channels=node.channel_stats.counts.get("active"),
            chain=(await self.node.get_status()).chain,
        )

    async def invoice(self, sats, memo):
        made = await self.wallet.create_invoice(sats, memo)
        say(
            ok=made.ok,
            error=made.error_message,
            payment_hash=made.checking_id,
            bolt11=made.payment_request,
            preimage=made.preimage,
        )

    async def wait(self):
        connected = asyncio.Event()
        # Nothing else tells that it is connected, and what happens before is not told.
        logger.add(lambda line: "connected to phoenixd" in line and connected.set())
        stream = self.wallet.paid_invoices_stream()
        waiting = asyncio.ensure_future(stream.__anext__())
        await asyncio.wait_for(connected.wait(), 60)
        say(connected=True)
        paid = await asyncio.wait_for(waiting, 60)
        status = await self.wallet.get_invoice_status(paid)
        say(payment_hash=paid, paid=status.paid, preimage=status.preimage)

    async def pay(self, bolt11):
        paid = await self.wallet.pay_invoice(bolt11, 1000)
        say(
            ok=paid.ok,
            error=paid.error_message,
            payment_hash=paid.checking_id,
            fee_msat=paid.fee_msat,
            preimage=paid.preimage,
        )

    async def payment(self, payment_hash):
        status = await self.wallet.get_payment_status(payment_hash)
        say(paid=status.paid, preimage=status.preimage)

    async def received(self, payment_hash):
        say(paid=(await self.wallet.get_invoice_status(payment_hash)).paid)

    async def history(self):
        invoices = await self.node.get_invoices(Filters(limit=10))
        payments = await self.node.get_payments(Filters(limit=10))
        say(
            invoices=[[row.payment_hash, row.pending] for row in invoices.data],
            payments=[[row.payment_hash, row.pending] for row in payments.data],
            offer=await self.node.receive_address("offer"),
        )


async def main():
    client = Client()
    loop = asyncio.get_running_loop()
    say(started=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        await getattr(client, asked.pop("do"))(**asked)


asyncio.run(main())
