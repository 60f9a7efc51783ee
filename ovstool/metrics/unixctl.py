"""Questions to a daemon of Open vSwitch on its control socket, as ovs-appctl(8) asks them: each a command with arguments, its answer a text.

The peer is not trusted: its answers are limited in size, and everything is limited in time.
"""

from collections.abc import Iterator, Sequence

from ovstool.errors import Refused, one_line
from ovstool.ovsdb.client import Rpc, compact

_SHOWN = 200  # characters of a refusal


class Client(Rpc):
    """A connection to the control socket of ovs-vswitchd."""

    server = "ovs-vswitchd"
    kind = "a control socket of Open vSwitch"
    chunk = 2**18
    most = 2**23  # bytes of an answer; dpctl/show says 3 MB about 65,535 ports, which is as many as a datapath has

    def answers(self, questions: Sequence[str]) -> Iterator[str | Refused]:
        """The answer to each question, or why the daemon refuses it. Raises Unreachable, TimedOut.

        All are asked at once, so that it answers them in one round of its work, which takes 30 ms where it has 10,000 ports.
        """
        requests = [
            compact({"id": number, "method": words[0], "params": words[1:]}) for number, words in enumerate(map(str.split, questions))
        ]
        self._send_all("".join(requests).encode())
        for number, question in enumerate(questions):
            message = self._receive()
            self._remaining()
            if message.get("id") != number or "method" in message:
                raise self._broken("an answer to another question")
            yield self._text(question, message)

    def _text(self, question: str, message: dict) -> str | Refused:
        if (error := message.get("error")) is not None:
            return Refused(f"ovs-appctl {question}", one_line(str(error).strip())[:_SHOWN])
        if type(message.get("result")) is not str:
            raise self._broken("an answer that is not text")
        return message["result"]
