"""A client that is not there, by a copy of its calls: those that it makes for each story, in its framing,
and what it reads of the answers.

    recorded.py FILE ends             FILE in the directory `recorded`; the ends of the door, as JSON
"""

import base64
import copy
import json
import secrets
import sys
import threading
import time
import uuid
from pathlib import Path

import doors
import driver

PAUSE_SECS = 0.2


def at(value, path):
    """What stands at a path such as `channels[].state`: of a list, all that there is."""
    for step in path.split("."):
        name, _, index = step.partition("[")
        values = value if isinstance(value, list) else [value]
        if name.isdigit():
            # A column of the rows of a query.
            found = [row[int(name)] for row in values]
        else:
            found = [each[name] for each in values if name in each]
        if len(found) != len(values):
            raise KeyError(f"{path} is not in {json.dumps(value)[:2000]}")
        if index == "]":
            value = [row for rows in found for row in rows]
        elif index:
            value = found[0][int(index[:-1])]
        else:
            value = found if isinstance(value, list) else found[0]
    return value


def filled(params, values):
    """Parameters in which `$NAME` stands for a value."""
    if isinstance(params, dict):
        return {name: filled(value, values) for name, value in params.items()}
    if isinstance(params, list):
        return [filled(value, values) for value in params]
    if isinstance(params, str) and params.startswith("$"):
        return values[params[1:]]
    return params


class Client:
    def __init__(self):
        name, ends = sys.argv[1:]
        recorded = json.loads((Path(__file__).parent / "recorded" / name).read_text())
        self.stories = recorded["stories"]
        self.door = doors.DOORS[recorded["door"]](json.loads(ends), recorded)
        self.awaited = None

    def _play(self, story, **values):
        values["preimage_bytes"] = base64.b64encode(secrets.token_bytes(32)).decode()
        values["uuid"] = str(uuid.uuid4())
        for step in self.stories[story]:
            params = filled(copy.deepcopy(step.get("params")), values)
            answer = self._answer(step, params)
            for path in step.get("reads", []):
                at(answer, path)
            for name, path in step.get("keeps", {}).items():
                values[name] = self.door.plain(at(answer, path), name)
        return values

    def _answer(self, step, params):
        answer = self.door.call(step["call"], params)
        # The other pages of a query, of ten rows each.
        for page in range(1, step.get("pages", 1)):
            query = params[0].replace("OFFSET 0", f"OFFSET {10 * page}")
            answer["rows"] += self.door.call(step["call"], [query])["rows"]
        return answer

    def start(self):
        values = self._play("start")
        balance_msat = values.get("balances_msat")
        answer = {"id": values.get("id")}
        if balance_msat is not None:
            answer["balance_msat"] = sum(int(each) for each in balance_msat)
        return answer

    def invoice(self, amount_msat, label, description):
        made = self._play(
            "invoice",
            amount_msat=amount_msat,
            amount_sat=amount_msat // 1000,
            label=label,
            description=description,
        )
        self.awaited = made["payment_hash"]
        return {"bolt11": made["bolt11"], "payment_hash": made["payment_hash"]}

    def is_paid(self, payment_hash):
        values = self._play("is_paid", payment_hash=self.door.hash(payment_hash))
        return values["status"] in ("paid", "PAID")

    def pay(self, bolt11, max_fee_msat):
        try:
            paid = self._play("pay", bolt11=bolt11, max_fee_msat=max_fee_msat)
        except doors.RpcError as error:
            return {"failed": error.code in doors.FAILED, "message": str(error)}
        return {"paid": True, "preimage": paid["preimage_of_payment"]}

    def wait(self):
        first = self.stories["wait"][0]
        target = self._listen if first.get("listens") else self._wait
        threading.Thread(target=target, daemon=True).start()

    def _listen(self):
        """Hears of payments, and looks each up by its label."""

        def told(label):
            values = self._play("heard", label=label)
            driver.told(values["payment_hash"])

        while True:
            try:
                self.door.listen(lambda: print("Client Connected", flush=True), told)
            except (doors.RpcError, *doors.LOST):
                time.sleep(PAUSE_SECS)

    def _wait(self):
        """Waits for the next payment, and looks for the invoice when it has lost the connection."""
        last = self.stories["wait"][0].get("first")
        while True:
            try:
                if last is None:
                    if self.is_paid(self.awaited):
                        return driver.told(self.awaited)
                    time.sleep(PAUSE_SECS)
                    continue
                told = self._play("wait", last=last)
                last = int(told["last"])
                driver.told(told["payment_hash"])
            except (doors.RpcError, *doors.LOST):
                time.sleep(PAUSE_SECS)
                last = self.stories["wait"][0].get("then", last)

    def history(self):
        values = self._play("history")
        received = zip(values["received"], values["received_status"])
        sent = zip(values["sent"], values["sent_status"])
        return {
            "received": [row for row, status in received if status in ("paid", "PAID")],
            "sent": [row for row, status in sent if status in ("complete", "COMPLETE")],
        }


driver.serve(Client)
