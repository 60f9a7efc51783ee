"""Keys held by an SSH agent."""

import socket
import struct
from contextlib import suppress
from typing import Any

from paramiko.agent import AgentKey, AgentSSH
from paramiko.message import Message
from paramiko.ssh_exception import SSHException

from ovstool.host.deadline import Deadline

_ANSWER_S = 20  # for an agent that asks its user to confirm
_MAX_KEYS = 1000
_MAX_ANSWER = 2**18  # bytes, as in OpenSSH
_LEAST_S = 0.1
_REQUEST_IDENTITIES, _IDENTITIES_ANSWER = 11, 12


class Agent(AgentSSH):
    """The user's agent, with limits on time and reply size."""

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
        """Ask for its keys (draft-miller-ssh-agent, section 4.4), up to a limit."""
        self._conn = conn
        kind, answer = self._send_message(bytes([_REQUEST_IDENTITIES]))
        if kind != _IDENTITIES_ANSWER:
            raise SSHException("it sent no list of keys")
        found = []
        for _ in range(min(answer.get_int(), _MAX_KEYS)):
            blob, comment = answer.get_binary(), answer.get_binary().decode(errors="replace")
            with suppress(Exception):  # an invalid key: paramiko raises many types
                key = AgentKey(self, blob, comment)
                key.__dict__.setdefault("public_blob", None)  # which paramiko 3.4 does not set for key types that it does not support
                found.append(key)
        self._keys = tuple(found)

    def _send_message(self, msg: Any) -> tuple[int, Message]:
        """Send a request and return the type and the body of the reply. Raises OSError, SSHException."""
        deadline = self._deadline.part(_ANSWER_S)
        question = bytes(msg)
        self._conn.settimeout(_socket_timeout(deadline))
        self._conn.sendall(struct.pack(">I", len(question)) + question)
        (size,) = struct.unpack(">I", self._receive(4, deadline))
        if not 0 < size <= _MAX_ANSWER:
            raise SSHException("it sent an answer of an invalid size")
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
    """The remaining time, never 0, which would make the socket non-blocking. Raises TimeoutError."""
    if not deadline.remaining_s():
        raise TimeoutError("timed out")
    return deadline.remaining_s() or _LEAST_S
