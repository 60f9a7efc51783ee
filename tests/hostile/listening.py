"""A socket with a peer that is not Open vSwitch."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def listening(path: Path, answer: Callable[[socket.socket], object]) -> Iterator[None]:
    """A socket whose connections are passed to ``answer`` one after the other; a broken connection is simply closed."""

    def serve() -> None:
        while True:
            try:
                stream, _ = listener.accept()
            except OSError:
                return  # the listener was closed
            with stream, suppress(OSError):
                stream.settimeout(20)
                answer(stream)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(30)
            path.unlink()
            assert not thread.is_alive()
