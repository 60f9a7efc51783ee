"""A socket at which somebody answers who is no Open vSwitch."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def listening(path: Path, answer: Callable[[socket.socket], object]) -> Iterator[None]:
    """A socket there, each connection to which is given to ``answer``, one after the other; one that breaks is over."""

    def serve() -> None:
        while True:
            try:
                stream, _ = listener.accept()
            except OSError:
                return  # nobody listens any more
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
