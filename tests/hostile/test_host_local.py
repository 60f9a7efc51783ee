"""Misbehaving programs and addresses of this machine: endless output or run time, children that stay, silence, and data in small pieces."""

import os
import socket
import ssl
import subprocess
import sys
import threading
import time

import peak
import pytest
from ssh_servers import listening

from ovstool import fleet
from ovstool.errors import NotFound, OvstoolError, Refused, TimedOut, UsageError
from ovstool.host import Tls, inventory, local
from ovstool.host.deadline import Deadline

S = 30


def shell(script):
    return ["sh", "-c", script]


def streamed(argv, timeout_s):
    return sum(map(len, local.stream(argv, timeout_s)))


@pytest.mark.parametrize("how", [local.run, streamed])
@pytest.mark.parametrize(
    "script",
    [
        "sleep 60",
        "exec >&- 2>&-; sleep 60",  # it closes its outputs and continues
        "sleep 60 & sleep 60 & exit 0",  # its child keeps them open
        "trap '' TERM INT HUP; sleep 60",
        "while :; do printf x; sleep 0.1; done",
        "yes >&2",
    ],
)
def test_programs_in_time(how, script):
    begin = time.monotonic()
    with pytest.raises(TimedOut, match=r"^sh: did not end within 0[.]7 s"):
        how(shell(script), 0.7)
    assert time.monotonic() - begin < 5


def test_a_program_continues_while_its_output_is_not_read(tmp_path):
    stream = local.stream(shell(f"echo; sleep 0.3; head -c 200000 /dev/zero; touch {tmp_path}/written"), S)
    written = len(next(stream))
    end = time.monotonic() + S / 2
    while not (tmp_path / "written").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    assert written + sum(map(len, stream)) == 200001


def test_a_program_ends_with_what_it_started(tmp_path):
    with pytest.raises(TimedOut):
        local.run(shell(f"sleep 987 & echo $! >{tmp_path}/child; wait"), 1)
    child = int((tmp_path / "child").read_text())
    end = time.monotonic() + S
    while os.path.exists(f"/proc/{child}") and " Z " not in open(f"/proc/{child}/stat").read():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("script", ["yes", "cat /dev/zero", "yes & yes", "exec 2>&-; yes"])
def test_output_without_end(script):
    code = (
        "import resource, sys\nfrom ovstool.errors import Refused\nfrom ovstool.host import local\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    local.run(sys.argv[1:], 60)\nexcept Refused as error:\n    print(error)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)\n"
    )
    done = peak.run([sys.executable, "-c", code, *shell(script)], os.environ, S)
    said, grown_mib = done.stdout.splitlines()
    assert said == "sh: wrote more than 32 MiB and was killed"
    assert int(grown_mib) < 64


def test_the_input_and_output_of_a_program():
    assert local.run(["cat"], S, b"x" * 2**22).stdout == "x" * 2**22
    assert local.run(["true"], S, b"x" * 2**22) == (0, "", "")
    assert len(local.run(shell("head -c 5000000 /dev/zero >&2; exit 3"), S).stderr) == 2**18
    with pytest.raises(NotFound):
        local.run(["no-such-program"], S)


# --- addresses


def address_of(kind, port):
    return f"{kind}:127.0.0.1:{port}"


@pytest.fixture
def tls(tmp_path):
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=x"]
    subprocess.run([*new, "-keyout", "key", "-out", "cert"], cwd=tmp_path, check=True, capture_output=True)
    return Tls(*(str(tmp_path / name) for name in ("key", "cert", "cert")))


def trickle(peer):
    """The beginning of a TLS record, byte by byte."""
    peer.sendall(b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xf0")
    while True:
        peer.sendall(b"\0")
        time.sleep(0.05)


@pytest.mark.parametrize("handler", [lambda peer: time.sleep(S), trickle])
def test_tls_in_time(tls, handler):
    begin = time.monotonic()
    with listening(handler) as port, pytest.raises(TimedOut):
        local.open(address_of("ssl", port), 1, tls)
    assert time.monotonic() - begin < 5


def test_a_peer_behind_tls_that_reads_nothing(tls):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.private_key)

    def handler(peer):
        with context.wrap_socket(peer, server_side=True) as stream:
            while True:
                time.sleep(0.2)
                stream.recv(2**17)  # enough to exceed all buffers

    with listening(handler) as port:
        stream = local.open(address_of("ssl", port), S, tls)
        stream.settimeout(1)
        begin = time.monotonic()
        with pytest.raises(TimeoutError):
            stream.sendall(b"x" * 2**26)
        assert time.monotonic() - begin < 5
        stream.close()


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_pipe_instead_of_a_key(tls, tmp_path, which):
    os.mkfifo(tmp_path / "pipe")
    with listening(lambda peer: None) as port, pytest.raises(UsageError, match="cannot be used for TLS"):
        local.open(address_of("ssl", port), 1, Tls(*(str(tmp_path / "pipe") if which == place else path for place, path in enumerate(tls))))


@pytest.fixture(scope="module")
def dead():
    """A port on addresses that do not answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = []
        for _ in range(3):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for one in waiting:
            one.close()


@pytest.mark.parametrize("count", [1, 3, 500])
@pytest.mark.parametrize("kind", ["tcp", "ssl"])
def test_a_name_with_dead_addresses(monkeypatch, dead, tls, count, kind):
    real = socket.getaddrinfo
    found = real("127.0.0.1", dead, type=socket.SOCK_STREAM)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: found * count)
    begin = time.monotonic()
    with pytest.raises(TimedOut):
        local.open(f"{kind}:many:{dead}", 1, tls)
    assert time.monotonic() - begin < 5


def test_the_address_that_answers_is_found_among_dead_ones(monkeypatch, dead):
    real = socket.getaddrinfo
    with listening(lambda peer: peer.sendall(b"here")) as port:
        places = [real("127.0.0.1", number, type=socket.SOCK_STREAM)[0] for number in (dead, port)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: places)
        stream = local.open("tcp:many:1", 2)
        assert stream.recv(4) == b"here"
        stream.close()


def test_a_silent_name_server(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: refuse() if options.get("flags") else time.sleep(S) or refuse())

    def refuse():
        raise socket.gaierror(socket.EAI_NONAME, "not a number")

    begin = time.monotonic()
    with pytest.raises(TimedOut):
        local.open("tcp:many:1", 0.5)
    assert time.monotonic() - begin < 5


# --- many hosts


def test_streams_of_too_many_hosts():
    before = threading.active_count()
    with pytest.raises(UsageError) as error:
        fleet.Merged(lambda host: iter(()), range(501))
    assert str(error.value) == "501 hosts: at most 500 can be read at the same time; try: several commands, each for some of them"
    assert threading.active_count() == before
    merged = fleet.Merged(lambda host: iter([host]), range(500))
    assert sorted(value for _, value in merged) == list(range(500))


def test_a_machine_that_starts_no_more_threads(monkeypatch):
    """Work continues with the threads that could start; if none can, there is an error."""
    real, left = threading.Thread.start, []

    def start(thread):
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    left.extend([1, 1])
    assert [outcome.result for outcome in fleet.each(lambda host: host * 2, range(10), 8)] == [host * 2 for host in range(10)]
    left.clear()
    with pytest.raises(Refused, match="no further thread"):
        fleet.each(lambda host: host, range(10), 8)
    with pytest.raises(Refused, match="no further thread"):
        fleet.Merged(lambda host: iter(()), range(3))


# --- inventories


INVENTORIES = {
    "a comma list": 'groups: {a: ["' + ",".join(f"h{i}" for i in range(130_000)) + '"]}\n',
    "commas": 'groups: {a: ["' + "a," * 400_000 + '"]}\n',
    "brackets": 'groups: {a: ["' + "[" * 800_000 + '"]}\n',
    "brackets and commas": 'groups: {a: ["' + "],[" * 250_000 + '"]}\n',
    "a long name": 'groups: {a: ["' + "b" * 800_000 + '[1-9999]"]}\n',
    "a long choice": 'groups: {a: ["x[' + "b" * 800_000 + ',c][1-5000]"]}\n',
    "aliases": "a: &a [x,x,x,x,x,x,x,x]\n"
    + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 8)}]\n" for i in range(9)),
    "merges": "all: {hosts: &h {" + ",".join(f"h{i}: " for i in range(5000)) + "}}\nb: {hosts: {<<: [" + ",".join(["*h"] * 5000) + "]}}\n",
    "depth": "groups: " + "[" * 100_000,
    "sections": "[a]\nh\n" + "".join(f"[g{i}:vars]\n" for i in range(30_000)),
    "a chain": "[a]\nh\n[g0]\nh\n" + "".join(f"[g{i}:children]\ng{i - 1}\n" for i in range(1, 30_000)),
    "a circle": "[a]\nh\n[g0:children]\ng29999\n" + "".join(f"[g{i}:children]\ng{i - 1}\n" for i in range(1, 30_000)),
    "many parents": "[a]\n" + "".join(f"h{i}\n" for i in range(9000)) + "".join(f"[p{i}:children]\na\n" for i in range(20_000)),
    "a quoted word": "[a]\nh x='" + "b" * 2_000_000 + "'\n",
}


@pytest.mark.parametrize("name", INVENTORIES)
def test_inventories_are_read_in_linear_time(tmp_path, name):
    """They once took minutes, or never ended; their content does not matter here."""
    path = tmp_path / "inventory"
    path.write_text(INVENTORIES[name])
    code = (
        "import sys\nfrom ovstool.errors import OvstoolError\nfrom ovstool.host import inventory\n"
        "from ovstool.host.deadline import Deadline\n"
        "try:\n    inventory.hosts(['@a'], sys.argv[1], Deadline(30))\nexcept OvstoolError as error:\n    assert len(str(error)) < 3000\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], timeout=S, check=True)


def test_commas_within_brackets(tmp_path):
    for text, expected in {
        "a[1,2],b": ["a1", "a2", "b"],
        "a[1,3-5]x[7,8],c": ["a1x7", "a1x8", "a3x7", "a3x8", "a4x7", "a4x8", "a5x7", "a5x8", "c"],
        "[::1],[::2]:22": ["[::1]", "[::2]:22"],
    }.items():
        assert [target.name for target in inventory.hosts([text], None, Deadline(S))] == expected
    for text in ("a[1,b", "a]1,b", "a[1,[2],b"):
        with pytest.raises(OvstoolError):
            inventory.hosts([text], None, Deadline(S))


def test_a_socket_whose_queue_is_full(tmp_path):
    """Without a timeout, connect(2) would wait there forever."""
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as waiting:
        listener.bind(str(tmp_path / "socket"))
        listener.listen(0)
        waiting.connect(str(tmp_path / "socket"))
        with pytest.raises(OvstoolError, match="ovsdb-server does not accept connections: it is stopped, hangs or is overloaded"):
            local.open(f"unix:{tmp_path}/socket", S)


@pytest.mark.parametrize(
    ("length", "error"), [(local.UNIX_PATH_MAX, "no such socket; is ovs-vswitchd running"), (108, "at most 107 bytes")]
)
def test_the_longest_path_of_a_socket(length, error):
    with pytest.raises(OvstoolError, match=error):
        local.open(f"unix:/{'x' * (length - 1)}", S, server="ovs-vswitchd")


def test_what_is_wrong_with_a_socket(tmp_path):
    (tmp_path / "file").touch()
    with socket.socket(socket.AF_UNIX) as closed:
        closed.bind(str(tmp_path / "closed"))
    for name, why in (
        ("file", "connection refused: not a socket"),
        ("closed", "connection refused: the socket is there, but ovsdb-server does not"),
    ):
        with pytest.raises(OvstoolError, match=why):
            local.open(f"unix:{tmp_path}/{name}", S)
    for address in ("unix:", "x:y", "", "tcp:", "tcp:h1", "tcp:h1:0", "tcp:h1:65536"):
        with pytest.raises(UsageError):
            local.open(address, S)
