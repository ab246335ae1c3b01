"""The Python program that Core Lightning's documentation of CLNRest has for its Socket.IO, with its ends
made into arguments: prints each message as a line of JSON.

    socketio_client.py URL RUNE CERTIFICATE
"""

import json
import sys

import requests
import socketio

url, rune, certificate = sys.argv[1:]
http_session = requests.Session()
http_session.verify = certificate
http_session.headers.update({"rune": rune})
sio = socketio.Client(http_session=http_session, reconnection_delay=1, reconnection_delay_max=1)


@sio.event
def connect():
    print("Client Connected", flush=True)


@sio.event
def disconnect():
    print("Server connection closed.", flush=True)


@sio.event
def message(data):
    print(json.dumps(data), flush=True)
    if "consumer=" in url:
        sio.emit("ack", data["event_index"])


@sio.event
def error(err):
    print(f"Error from server: {err}", flush=True)


sio.connect(url)
sio.wait()
