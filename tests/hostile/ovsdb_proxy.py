"""A proxy for the database that stops on request, so that a command or its server can end between two of its messages."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Proxy:
    """Passes on the first ``last`` messages and holds back the next one, setting ``stopped``; later connections are not affected."""

    def __init__(self, directory: Path, last: int):
        self.address = directory / "proxy.sock"
        self.stopped = threading.Event()
        self.messages: list[bytes] = []
        self._last = last
        self._server = directory / "db.sock"
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.address))
        self._listening.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.address.unlink()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            try:
                server.connect(str(self._server))
                threading.Thread(target=self._back, args=(server, client), daemon=True).start()
                while data := client.recv(1 << 20):  # a command sends one request at a time
                    if len(self.messages) == self._last and not self.stopped.is_set():
                        self.stopped.set()
                        client.recv(1)
                        return
                    self.messages.append(data)
                    server.sendall(data)
            except OSError:
                pass
            finally:
                with suppress(OSError):
                    server.shutdown(socket.SHUT_RDWR)  # close() alone would leave it open for as long as _back reads from it

    @staticmethod
    def _back(server: socket.socket, client: socket.socket) -> None:
        try:
            while data := server.recv(1 << 20):
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


@contextmanager
def proxy(directory: Path, last: int) -> Iterator[Proxy]:
    between = Proxy(directory, last)
    try:
        yield between
    finally:
        between.close()
