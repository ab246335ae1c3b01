"""The Python program of Core Lightning's documentation for CLNRest's Socket.IO, with its address and its
rune as arguments. Only the output is not buffered, for it is read as it comes.

    clnrest_socketio.py URL RUNE
"""

import functools
import sys

import socketio
import requests

print = functools.partial(print, flush=True)

http_session = requests.Session()
http_session.verify = True
http_session.headers.update({
    "rune": sys.argv[2]
})
sio = socketio.Client(http_session=http_session)


@sio.event
def connect():
    print("Client Connected")


@sio.event
def disconnect():
    print(f"Server connection closed.\nCheck CLN logs for errors if unexpected")


@sio.event
def message(data):
    print(f"Message from server: {data}")


@sio.event
def error(err):
    print(f"Error from server: {err}")


sio.connect(sys.argv[1])
sio.wait()
