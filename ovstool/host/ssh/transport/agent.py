"""Keys that an agent holds."""

import socket
import struct
from contextlib import suppress
from typing import Any

from paramiko.agent import AgentKey, AgentSSH
from paramiko.message import Message
from paramiko.ssh_exception import SSHException

from ovstool.host.deadline import Deadline

_ANSWER_S = 20  # for an agent that asks its user
_MAX_KEYS = 1000
_MAX_ANSWER = 2**18  # bytes, as in OpenSSH
_LEAST_S = 0.1
_REQUEST_IDENTITIES, _IDENTITIES_ANSWER = 11, 12


class Agent(AgentSSH):
    """The user's agent, asked in bounded time, and answered in bounded size."""

    def __init__(self, path: str, deadline: Deadline):
        """Connect to the agent's socket and read its keys. Raises OSError, SSHException, ValueError."""
        super().__init__()
        self._deadline = deadline
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(min(deadline.remaining_s(), _ANSWER_S))
        try:
            stream.connect(path)
            self._connect(stream)
        except BaseException:
            stream.close()
            raise

    def _connect(self, conn: socket.socket) -> None:
        """Ask for its keys (draft-miller-ssh-agent, section 4.4); no more of them than somebody could mean."""
        self._conn = conn
        kind, answer = self._send_message(bytes([_REQUEST_IDENTITIES]))
        if kind != _IDENTITIES_ANSWER:
            raise SSHException("no list of keys")
        found = []
        for _ in range(min(answer.get_int(), _MAX_KEYS)):
            blob, comment = answer.get_binary(), answer.get_binary().decode(errors="replace")
            with suppress(Exception):  # what is no key, each kind of it in words of its own
                key = AgentKey(self, blob, comment)
                key.__dict__.setdefault("public_blob", None)  # which paramiko 3.4 forgets for kinds that it does not know
                found.append(key)
        self._keys = tuple(found)

    def _send_message(self, msg: Any) -> tuple[int, Message]:
        """Ask, and return the kind of the answer and the answer. Raises OSError, SSHException."""
        deadline = self._deadline.part(_ANSWER_S)
        question = bytes(msg)
        self._conn.settimeout(_socket_timeout(deadline))
        self._conn.sendall(struct.pack(">I", len(question)) + question)
        (size,) = struct.unpack(">I", self._receive(4, deadline))
        if not 0 < size <= _MAX_ANSWER:
            raise SSHException("an answer of an impossible size")
        answer = self._receive(size, deadline)
        return answer[0], Message(answer[1:])

    def _receive(self, size: int, deadline: Deadline) -> bytes:
        data = b""
        while len(data) < size:
            self._conn.settimeout(_socket_timeout(deadline))
            more = self._conn.recv(size - len(data))
            if not more:
                raise SSHException("it hung up")
            data += more
        return data


def _socket_timeout(deadline: Deadline) -> float:
    """The time that is left, and never 0, which a socket takes for no waiting at all. Raises TimeoutError."""
    if not deadline.remaining_s():
        raise TimeoutError("timed out")
    return deadline.remaining_s() or _LEAST_S
