"""Has a client do what a test asks for: reads one request a line from standard input, and prints one answer
a line.

A request is {"story": NAME, ...}, and calls the method NAME of the client with the rest. The answer is
{"answer": ...}; what a client that waits is told of stands in lines of its own, {"told": PAYMENT_HASH}.
"""

import asyncio
import json
import sys
import threading

_one_line_at_a_time = threading.Lock()


def say(value):
    with _one_line_at_a_time:
        print(json.dumps(value, default=int), flush=True)


def told(payment_hash):
    say({"told": payment_hash})


async def _answer(client, line):
    request = json.loads(line)
    try:
        answer = getattr(client, request.pop("story"))(**request)
        if asyncio.iscoroutine(answer):
            answer = await answer
    except Exception as error:
        answer = {"raised": f"{type(error).__name__}: {error}"}
    say({"answer": answer})


async def _serve(make_client):
    client = make_client()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        await _answer(client, line)


def serve(make_client):
    """Serves until standard input ends. The client is made where an event loop runs."""
    asyncio.run(_serve(make_client))
