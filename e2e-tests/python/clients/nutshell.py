"""nutshell, the mint of the package `cashu`: its back end for CLNRest, whose settings are in the
environment.

    nutshell.py
"""

import asyncio

from cashu.core.base import Amount, MeltQuote, MeltQuoteState, Unit
from cashu.core.models import PostMeltQuoteRequest
from cashu.lightning.clnrest import CLNRestWallet

import driver


class Client:
    def __init__(self):
        self.wallet = CLNRestWallet(Unit.sat)

    async def start(self):
        status = await self.wallet.status()
        if status.error_message:
            raise RuntimeError(status.error_message)
        return {"balance_msat": status.balance.to(Unit.msat).amount}

    async def invoice(self, amount_msat, label, description):
        made = await self.wallet.create_invoice(Amount(Unit.sat, amount_msat // 1000), description)
        if not made.ok:
            raise RuntimeError(made.error_message)
        return {"bolt11": made.payment_request, "payment_hash": made.checking_id}

    async def is_paid(self, payment_hash):
        return (await self.wallet.get_invoice_status(payment_hash)).settled

    async def pay(self, bolt11, max_fee_msat):
        asked = PostMeltQuoteRequest(unit="sat", request=bolt11)
        quoted = await self.wallet.get_payment_quote(asked)
        quote = MeltQuote(
            quote="test",
            method="bolt11",
            request=bolt11,
            checking_id=quoted.checking_id,
            unit="sat",
            amount=quoted.amount.amount,
            fee_reserve=quoted.fee.amount,
            state=MeltQuoteState.unpaid,
        )
        paid = await self.wallet.pay_invoice(quote, max_fee_msat)
        if paid.settled:
            status = await self.wallet.get_payment_status(quoted.checking_id)
            return {"paid": status.settled, "preimage": paid.preimage}
        return {"failed": paid.failed, "message": paid.error_message}

    async def wait(self):
        self.waiting = asyncio.create_task(self._wait())
        # It begins after the last invoice that was paid, of which there is one.
        while not self.wallet.last_pay_index:
            await asyncio.sleep(0.05)

    async def _wait(self):
        async for payment_hash in self.wallet.paid_invoices_stream():
            driver.told(payment_hash)


driver.serve(Client)
