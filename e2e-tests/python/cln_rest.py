"""Sends requests with the package `requests`, one after the other, and prints the answers as JSON.

    cln_rest.py CERTIFICATE REQUESTS    REQUESTS is a JSON list
"""

import json
import sys

import requests


def body(answer):
    try:
        return answer.json()
    except ValueError:
        return answer.text


certificate, wanted = sys.argv[1:]
session = requests.Session()
session.verify = certificate
answers = []
for request in json.loads(wanted):
    answer = session.request(allow_redirects=False, timeout=60, **request)
    kind = answer.headers.get("content-type", "")
    lines = len(answer.text.splitlines())
    answers.append(
        {"status": answer.status_code, "type": kind, "lines": lines, "body": body(answer)}
    )
print(json.dumps(answers))
