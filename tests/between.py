"""A proxy for the database socket that pauses at each request of a program, so that others can write between two of them."""

import json
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress


class Between:
    """A proxy for the database socket; it calls ``at`` with the number of each request before it passes the request on.

    What ``at`` returns is sent instead of the request; if that differs from the request, the connection then ends.
    """

    def __init__(self, switch, name: str, at: Callable[[int, bytes], bytes]):
        self.path = f"{switch.box.directory}/{name}.sock"
        self._at, self._real = at, f"{switch.box.directory}/db.sock"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self.requests = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(30)
        self._listener.close()
        os.unlink(self.path)

    def _serve(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self._real)
            while request := message(client):
                self.requests += 1
                passed = self._at(self.requests, request)
                server.sendall(passed)
                if passed != request:
                    return
                answer = message(server, from_server=True)
                with suppress(OSError):  # the client may have been killed meanwhile
                    client.sendall(answer)


def message(connection: socket.socket, from_server: bool = False) -> bytes:
    """The next message as it is; empty at the end. Echo requests of ovsdb-server, which it sends after five silent seconds, are answered."""
    text = b""
    while True:
        try:
            chunk = connection.recv(2**20)
        except ConnectionResetError:  # killed with an answer unread
            return b""
        if not chunk:
            return b""
        text += chunk
        while text.endswith(b"}"):
            try:
                said, end = json.JSONDecoder().raw_decode(text.decode())
            except ValueError:
                break  # that was an inner brace
            if not from_server or said.get("method") != "echo":
                return text
            connection.sendall(json.dumps({"id": said["id"], "result": said["params"], "error": None}).encode())
            text = text.decode()[end:].encode()
