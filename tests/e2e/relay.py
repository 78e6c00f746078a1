"""Puts the token into the requests of a program that cannot be told one; everything else passes as it is."""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_HEAD_END = b"\r\n\r\n"
_MAX_HEAD = 65_536


@contextmanager
def relay(port: int, token: str) -> Iterator[int]:
    """A port of this machine that leads to the server at `port`, with the token added."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        threading.Thread(target=_accept, args=(listening, port, token), daemon=True).start()
        yield listening.getsockname()[1]


def _accept(listening: socket.socket, port: int, token: str) -> None:
    with contextlib.suppress(OSError):  # it is closed at the end
        while True:
            client, _ = listening.accept()
            threading.Thread(target=_serve, args=(client, port, token), daemon=True).start()


def _serve(client: socket.socket, port: int, token: str) -> None:
    """One request a connection: the head is changed, the rest is carried to and fro."""
    with client, contextlib.suppress(OSError):
        data = b""
        while _HEAD_END not in data and len(data) < _MAX_HEAD:
            piece = client.recv(65_536)
            if not piece:
                return
            data += piece
        head, _, rest = data.partition(_HEAD_END)
        head = re.sub(rb"\r\nConnection:[^\r]*", b"", head, flags=re.IGNORECASE)
        head += b"\r\nConnection: close\r\nAuthorization: Bearer " + token.encode()
        with socket.create_connection(("127.0.0.1", port)) as server:
            server.sendall(head + _HEAD_END + rest)
            back = threading.Thread(target=_carry, args=(server, client), daemon=True)
            back.start()
            _carry(client, server)
            back.join()


def _carry(source: socket.socket, aim: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65_536):
            aim.sendall(piece)
    with contextlib.suppress(OSError):
        aim.shutdown(socket.SHUT_WR)
