"""The OVSDB client against a peer that sends given chunks, cut at given places."""

import json
import socket
import threading
import time
from contextlib import suppress

import pytest

from ovstool.errors import OvstoolError, Refused, TimedOut, Unreachable
from ovstool.ovsdb.client import Client, OperationFailed


def call(*chunks: bytes, close: bool = True, seconds: float = 20):
    """The result of ``transact`` when the reply arrives in these chunks, and what the client sent."""
    ours, theirs = socket.socketpair()
    sent = bytearray()

    def peer() -> None:
        with suppress(OSError):  # the client may close while data is still on its way
            theirs.recv(1 << 16)
            for chunk in chunks:
                theirs.sendall(chunk)
            if close:
                theirs.shutdown(socket.SHUT_WR)
            while data := theirs.recv(1 << 16):
                sent.extend(data)

    thread = threading.Thread(target=peer, daemon=True)
    thread.start()
    client = Client(ours, "unix:test", time.monotonic() + seconds)
    try:
        return client.transact([{"op": "select"}]), bytes(sent)
    finally:
        client.close()
        thread.join()
        theirs.close()


def answer(rows, **more) -> bytes:
    return json.dumps({"id": 1, "result": [{"rows": rows}], "error": None} | more, ensure_ascii=False).encode()


ROWS = [{"name": 'a}b{"\\ é中\U0001f600', "n": 2**63 - 1, "set": ["set", []]}]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 10_000])
def test_an_answer_may_be_cut_anywhere(size):
    data = b'\n {"id":null,"method":"update","params":[]}' + answer(ROWS) + b" \n"
    assert call(*(data[i : i + size] for i in range(0, len(data), size)))[0] == [{"rows": ROWS}]


def test_an_echo_request_is_answered_and_the_answer_still_found():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b'{"id":"echo","method":"echo","params":["x"]}' + answer([]))
        Client(ours, "unix:test", time.monotonic() + 20).transact([{"op": "select"}])
        sent = theirs.recv(1 << 16).decode()
        request, end = json.JSONDecoder().raw_decode(sent)
        assert request == {"id": 1, "method": "transact", "params": ["Open_vSwitch", {"op": "select"}]}
        assert json.loads(sent[end:]) == {"id": "echo", "result": ["x"], "error": None}


@pytest.mark.parametrize("is_free", [True, False])
def test_a_lock_is_waited_for_and_released_at_the_end(is_free):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(json.dumps({"id": 1, "result": {"locked": is_free}, "error": None}).encode())
        theirs.sendall(b'{"id":"echo","method":"echo","params":[]}' + b'{"id":null,"method":"locked","params":["mine"]}' * (not is_free))
        with Client(ours, "unix:test", time.monotonic() + 20).locked("mine"):
            theirs.sendall(b'{"id":2,"result":{},"error":null}')
        decoder, sent = json.JSONDecoder(), theirs.recv(1 << 16).decode()
        first, end = decoder.raw_decode(sent)
        assert (first["method"], first["params"]) == ("lock", ["mine"]) and '"unlock","params":["mine"]' in sent[end:]


@pytest.mark.parametrize("answer", [None, [], {}, {"locked": 1}, "yes"])
def test_a_lock_without_a_state(answer):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(json.dumps({"id": 1, "result": answer, "error": None}).encode())
        with pytest.raises(Unreachable, match="a lock without a state"), Client(ours, "unix:test", time.monotonic() + 20).locked("mine"):
            pass


def test_a_large_answer_comes_whole():
    rows = [{"name": f"p{i}", "text": "}" * 50} for i in range(50_000)]
    assert call(answer(rows))[0] == [{"rows": rows}]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b'{"id":1,', answer(ROWS)[:-1], b"[", b'"', b"1", b"[1,2]", b"nul", b"null", b"\xff\xfe", b'{"id":1,"result":"\xff"}', b"}", b"{}}",
        b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"{'id':1}", b'{"id":1}', b'{"id":1,"result":null,"error":null}',
        b'{"id":1,"result":{},"error":null}', b'{"id":1,"result":[],"error":null}', b'{"id":1,"result":[7],"error":null}',
        b'{"id":1,"error":null}', b'{"id":1,"result":' + b"[" * 100_000, b'{"id":1,"result":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[" * 100_000, b'{"id":1,"result":[' + b"9" * 100_000 + b"]}", b"{" * 100_000, b'{"a":' * 100_000, b'{"id":2,"result":[{}],"error":null}',
        b"\x15\x03\x01\x00\x02\x02\x46", b"\0" * 1000, b'{"id":1,"result":[{"error":7}],"error":null',
    ],
)  # fmt: skip
def test_an_invalid_reply_is_an_unreachable_switch(data):
    with pytest.raises(Unreachable) as failure:
        call(data)
    assert str(failure.value).isprintable() and len(str(failure.value)) < 500


def test_an_answer_without_a_result_is_not_waited_on():
    with pytest.raises(Unreachable):
        call(b'{"id":1}', close=False)


@pytest.mark.parametrize(
    "error", ['"no"', '{"error":"not allowed","details":"\\u001b[31m"}', "7", "[]", "{}", '{"error":{}}', '"' + "x" * 9999 + '"']
)
def test_an_error_of_the_server_is_its_refusal(error):
    with pytest.raises(Refused) as failure:
        call(b'{"id":1,"result":null,"error":' + error.encode() + b"}")
    assert str(failure.value).isprintable() and len(str(failure.value)) < 500


@pytest.mark.parametrize("error", ['"unknown database"', '{"error":"unknown database"}', '{"details":"unknown database"}'])
def test_another_database_is_no_switch(error):
    with pytest.raises(Unreachable, match="no Open_vSwitch database"):
        call(b'{"id":1,"result":null,"error":' + error.encode() + b"}")


@pytest.mark.parametrize(
    "results",
    [[{"error": "timed out"}], [{"error": "constraint violation", "details": "d"}], [None, {"error": 7}], [{}, {"error": "commit"}]],
)
def test_a_failed_operation_is_reported_with_its_place(results):
    with pytest.raises(OperationFailed) as failure:
        call(json.dumps({"id": 1, "result": results, "error": None}).encode())
    assert failure.value.index == len(results) - 1


@pytest.mark.parametrize("chunks", [[], [b"{"], [b'{"id":null,"method":"update","params":[]}'], [b"{}" * 50_000], [b" "]])
def test_silence_ends_with_the_deadline(chunks):
    with pytest.raises(TimedOut):
        call(*chunks, close=False, seconds=0.3)


def test_a_client_that_failed_stays_closed():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"garbage")
        client = Client(ours, "unix:test", time.monotonic() + 20)
        for _ in range(2):
            with pytest.raises(OvstoolError):
                client.get_schema()


# What a server replies to one select: its result, possibly that of the commit, and then results that were not requested.
PLAIN, SPACED = {"separators": (",", ":")}, {"indent": 1}
MORE = "the database: not a valid OVSDB reply: more results than operations"


@pytest.mark.parametrize("how", [PLAIN, SPACED])
@pytest.mark.parametrize("size", [1, 1000, 2**20])
def test_a_transaction_has_a_result_for_each_operation_and_the_commit(how, size):
    def told(results: list) -> list[bytes]:
        data = json.dumps({"id": 1, "result": results, "error": None}, **how).encode()
        return [data[begin : begin + size] for begin in range(0, len(data), size)]

    one, commit = {"rows": []}, {}
    assert call(*told([one]))[0] == [one]
    assert call(*told([one, commit]))[0] == [one, commit]
    for more in ([{}], [one], [None], [{"error": "no"}], [{}] * (5_000 if size > 1 else 30), [one] * (5_000 if size > 1 else 20)):
        with pytest.raises(Unreachable) as failure:
            call(*told([one, commit, *more]))
        assert str(failure.value) == MORE
