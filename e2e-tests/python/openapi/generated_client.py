"""Makes a client of an OpenAPI document, and calls a server with it.

Usage: generated_client.py DOCUMENT DIRECTORY URL CERTIFICATE, with the rune in RUNE
"""

import json
import os
import ssl
import subprocess
import sys
from pathlib import Path


def generate(document, directory):
    made = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--meta=none"),
            *("--path", document, "--output-path", str(directory / "node"), "--fail-on-warning"),
        ],
        capture_output=True,
        text=True,
    )
    # It looks for a formatter, which is not needed.
    warnings = made.stdout.replace("Skipping Integration\n\nruff is not in PATH\n", "").strip()
    if "Unable to" in warnings or "removal" in warnings or not (directory / "node").exists():
        sys.exit(warnings + made.stderr)


def main():
    document, directory, url, certificate = sys.argv[1:]
    directory = Path(directory)
    generate(document, directory)
    sys.path.insert(0, str(directory))
    from node.api.info import get_node_info
    from node.api.invoice import bolt_11_receive
    from node.client import AuthenticatedClient
    from node.models import Bolt11ReceiveRequest, Error, GetNodeInfoRequest

    client = AuthenticatedClient(
        base_url=url,
        token=os.environ["RUNE"],
        verify_ssl=ssl.create_default_context(cafile=certificate),
    )
    with client:
        info = get_node_info.sync(client=client, body=GetNodeInfoRequest())
        invoice = bolt_11_receive.sync(
            client=client, body=Bolt11ReceiveRequest(amount_msat=5000, expiry_secs=60)
        )
        refused = bolt_11_receive.sync(client=client, body=Bolt11ReceiveRequest(amount_msat=0))
    assert isinstance(refused, Error), refused
    print(
        json.dumps(
            {
                "node_id": info.node_id,
                "height": info.current_best_block.height,
                "invoice": invoice.invoice,
                "refused": [refused.code, refused.message],
            }
        )
    )


main()
