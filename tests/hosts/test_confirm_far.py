"""--confirm-within over SSH, also through the very port that is changed: in the end the host can be reached again."""

import sys
import time

import pytest

_DAEMON = "-vconsole:off -vsyslog:off --pidfile --detach --no-chdir --disable-system --log-file=/run/lab/in-band.log"

# ethtool -K down0 tx off, as ethtool is often not installed: the userspace datapath does not complete checksums.
_WHOLE_CHECKSUMS = """
import array, fcntl, socket, struct
value = array.array("B", struct.pack("=II", 0x17, 0))
request = struct.pack("16sP16x", b"down0", value.buffer_info()[0])
fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8946, request)
"""


def pending(host) -> bool:
    return "ovstool-confirm" in host.vsctl("get open . external_ids")


def wait_until_decided(host) -> None:
    deadline = time.monotonic() + 60
    while pending(host):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def in_band(lab):
    """A host whose management address is on its bridge, in the userspace datapath: SSH goes through the port up0."""
    host = lab.host("inband")
    lab._ip(
        lab._operator, f"link add down0 type veth peer name up0 netns {host.namespaces.pid}",
        "address add 10.98.0.1/24 dev down0", "link set down0 up",
    )  # fmt: skip
    script = f"""
        ovs-appctl -t ovs-vswitchd exit && ovs-vsctl --no-wait del-br br0 && sleep 0.5
        ovs-vswitchd unix:/var/run/openvswitch/db.sock {_DAEMON}
        ip link set up0 up
        ovs-vsctl add-br br0 -- set bridge br0 datapath_type=netdev -- add-port br0 up0
        ip address add 10.98.0.2/24 dev br0 && ip link set br0 up
    """
    done = host.run(["sh", "-ec", script])
    assert done.code == 0, done
    done = lab.run([sys.executable, "-c", _WHOLE_CHECKSUMS])
    assert done.code == 0, done
    for file, text in (("config", "Host data\n    HostName 10.98.0.2\n    User root\n"), ("known_hosts", "")):
        path = lab.home / ".ssh" / file
        key = (lab.directory / "inband/host_key.pub").read_text()
        path.write_text(path.read_text() + (text or f"data,10.98.0.2 {key}"))
    assert is_reached(lab, "data")
    return host


def is_reached(lab, name: str) -> bool:
    deadline = time.monotonic() + 30
    while done := lab.ssh(name, "true").code:
        if time.monotonic() > deadline:
            break
    return not done


@pytest.mark.parametrize("command", ["port del up0", "port set br0 --tag 7", "bridge del br0"])
def test_a_change_of_the_port_through_which_it_comes(lab, in_band, command):
    """The undo also gives the local port back the address that it had."""
    before = in_band.run(["ovs-vsctl", "-f", "json", "--columns=_uuid,name,tag", "list", "Port"]).stdout
    done = lab.ovstool(f"-H data -t 1 {command} --confirm-within 2")
    assert done.code in (0, 5, 7) and "undone in 2 s unless confirmed" in done.stderr, done
    wait_until_decided(in_band)
    assert is_reached(lab, "data")
    assert in_band.run(["ovs-vsctl", "-f", "json", "--columns=_uuid,name,tag", "list", "Port"]).stdout == before


@pytest.mark.parametrize("traits", [
    {"user": "op"}, {"without": ("setsid", "logger", "python3", "socat", "nc")}, {"shell": "/bin/bash", "forwarding": False},
])  # fmt: skip
def test_hosts_of_every_kind(lab, traits):
    name = f"far{len(lab.hosts)}"
    host = lab.host(name, **traits)
    reach = f"-H {name} {'--sudo' if 'user' in traits else ''}"
    done = lab.ovstool(f"{reach} police set eth1 --rate 10mbit --confirm-within 1")
    assert done.code == 0 and done.stderr.rstrip().rpartition(" ")[0].endswith(f"try: ovstool {reach.strip()} confirm"), done
    id = lab.ovstool(f"{reach} police set eth2 --rate 10mbit --confirm-within 60").stderr.split()[-1]
    assert lab.ovstool(f"{reach} confirm {id}").stdout == f"{id}: updated\n"
    wait_until_decided(host)
    assert host.vsctl("get interface eth1 ingress_policing_rate -- get interface eth2 ingress_policing_rate").split() == ["0", "10000"]


def test_one_id_for_all_hosts(lab):
    hosts = lab.start(["both1", "both2"])
    done = lab.ovstool("-H both1,both2 police set eth1 --rate 10mbit --confirm-within 60")
    ids = {line.split()[-1] for line in done.stderr.splitlines()}
    assert done.code == 0 and len(done.stderr.splitlines()) == 2 and len(ids) == 1
    [id] = ids
    hosts[1].vsctl(f"remove open . external_ids ovstool-confirm-{id}")  # as the undo does
    kept = lab.ovstool(f"-H both1,both2 confirm {id}")
    assert (kept.code, kept.stdout) == (8, f"both1 {id}: updated\n") and "both2: " in kept.stderr and not pending(hosts[0])
