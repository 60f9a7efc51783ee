"""sFlow decoding compared with tshark and nfdump: datagrams of the userspace datapath, and one for each record and packet type."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter

import pytest
import sflow_datagrams as spec
from sflow_by_tshark import apart, differences
from sflow_packets import PACKETS
from sflow_records import COUNTERS, FLOW, FRAME

from ovstool.sflow.datagram import decode

SAMPLING = 2
WANTED = {1, 1001, 1006, 1023, 1024, 1029, 1030, 1004, 1005, 2203, 2207}  # records: headers, VLANs, MPLS, tunnels, ports, datapath
SAMPLES, COUNTED = 50, 6  # at least this many of each
# Prints each datagram that arrives, after reporting that it listens.
COLLECTOR = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 6343))
print("listening", flush=True)
while True:
    print(s.recv(65535).hex(), flush=True)
"""
# UDP to ports that flows rewrite, and refused TCP connections, from the first host to the second.
SENDER = """
import socket
for port, size in ((35001, 30), (35002, 1400), (35003, 200), (35004, 60)):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("10.0.0.1", 35000))
        for _ in range(20):
            sender.sendto(bytes(size), ("10.0.0.2", port))
for _ in range(20):
    with socket.socket() as refused:
        refused.connect_ex(("10.0.0.2", 7778))
"""
# A tunnel to the second host, which is one of its ends; both ends have addresses in 10.9.0.0/24.
TUNNEL = (
    "ip link add vx type vxlan id 7 remote 10.0.0.254 dstport 4789",
    "ip address add 10.9.0.2/24 dev vx",
    "ip link set vx up",
)
FLOWS = (
    "priority=8,in_port=vx0,actions=output:eth1",
    "priority=8,in_port=eth1,ip,nw_dst=10.9.0.2,actions=output:vx0",
    "priority=8,in_port=eth1,arp,arp_tpa=10.9.0.2,actions=output:vx0",
    "priority=9,udp,tp_dst=35001,actions=mod_vlan_vid:7,mod_vlan_pcp:3,normal",
    "priority=9,udp,tp_dst=35002,actions=push_mpls:0x8847,set_field:100->mpls_label,output:eth2",
)
REPLAY = """
import socket, sys
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for line in sys.stdin:
    sender.sendto(bytes.fromhex(line), ("127.0.0.1", 9995))
"""
# What tshark takes for something else, or decodes further.
ELSEWHERE = {
    "six tags", "ARP for another network", "provider backbone", "a tunnel in a tunnel", "to ports of tunnels", "to a port of Geneve",
    "Geneve with what is not known",
    "a pseudowire",  # without its control word
}  # fmt: skip


@pytest.fixture(scope="module")
def datagrams(forwarding) -> list[bytes]:
    """What a collector receives for pings, UDP, TCP and ARP, for packets with VLANs, MPLS and VXLAN, and with counters each second."""
    here, there, yonder = (["ip", "netns", "exec", name] for name in (forwarding.box.namespace, *forwarding.box.hosts))
    forwarding.vsctl("add-port br0 vx0 -- set interface vx0 type=vxlan options:remote_ip=10.0.0.2 options:key=7")
    for words in ([*there, "ip", "address", "add", "10.9.0.1/24", "dev", "eth0"], *([*yonder, *line.split()] for line in TUNNEL)):
        subprocess.run(words, check=True, timeout=30)
    with tempfile.TemporaryFile("w+") as written, subprocess.Popen([*here, sys.executable, "-c", COLLECTOR], stdout=written) as collector:
        try:
            while not os.fstat(written.fileno()).st_size:
                assert collector.poll() is None
                time.sleep(0.05)
            row = f"create sflow agent=lo targets='\"127.0.0.1\"' sampling={SAMPLING} polling=1 header=128"
            forwarding.vsctl(f"set bridge br0 sflow=@s -- --id=@s {row}")
            for flow in FLOWS:
                forwarding.tool("ovs-ofctl", "add-flow", "br0", flow)
            deadline = time.monotonic() + 60
            while not _is_enough(found := _read(written)):
                assert time.monotonic() < deadline, Counter(
                    tag for data in found for sample in decode(data).samples for tag, _ in sample.records
                )
                for ping in (["-c", "20", "10.0.0.2"], ["-c", "20", "10.9.0.2"], ["-6", "-c", "5", "-W", "0.2", "ff02::1%eth0"]):
                    subprocess.run([*there, "ping", "-i", "0.01", *ping], capture_output=True, timeout=30)
                subprocess.run([*there, sys.executable, "-c", SENDER], check=True, timeout=30)
        finally:
            collector.kill()
        collector.wait()
        return _read(written)


def _read(written) -> list[bytes]:
    written.seek(0)
    return [bytes.fromhex(line) for line in written.read().split("\n")[1:-1]]


def _is_enough(found: list[bytes]) -> bool:
    samples = [sample for data in found for sample in decode(data).samples]
    kinds = Counter(sample.kind for sample in samples)
    return kinds["flow"] >= SAMPLES and kinds["counter"] >= COUNTED and WANTED <= {tag for sample in samples for tag, _ in sample.records}


def test_datagrams_of_the_userspace_datapath_beside_tshark(datagrams, tmp_path):
    compared, wrong = differences([*datagrams, *(one for data in datagrams for one in apart(data))], tmp_path)
    assert wrong == [] and compared > 40 * SAMPLES
    found = [decode(data) for data in datagrams]
    assert {(datagram.malformed, datagram.unknown) for datagram in found} == {(None, 0)}
    rows = [row for datagram in found for row in datagram.rows()]
    assert {row["sampling_rate"] for row in rows if row["kind"] == "flow"} == {SAMPLING}
    assert not any("malformed" in row for row in rows)
    assert {7} == {row["extended_switch"]["dst_vlan"] for row in rows if row.get("udp_dst") == 35001}
    inside = [row for row in rows if row.get("inner_ip_dst") in ("10.9.0.1", "10.9.0.2")]
    assert {(row["tunnel"], row["tun_id"], row["udp_dst"]) for row in inside} == {("vxlan", 7, 4789)}
    for way, src, dst in (("ingress", "10.0.0.2", "10.0.0.254"), ("egress", "10.0.0.254", "10.0.0.2")):
        outer = [row[f"extended_ipv4_tunnel_{way}"] for row in rows if row.get(f"extended_vni_{way}") == {"vni": 7}]
        assert {(tunnel["ip_src"], tunnel["ip_dst"], tunnel["ip_proto"]) for tunnel in outer} == {(src, dst, 17)}
    assert [100] in [[label["label"] for label in row["extended_mpls"]["out_stack"]] for row in rows if "extended_mpls" in row]


def test_counters_of_the_userspace_datapath(datagrams, forwarding):
    """Counters that tshark does not know are compared with Open vSwitch's database."""
    rows = [row for data in datagrams for row in decode(data).rows() if row["kind"] == "counter"]
    ports = {row["port_name"]["name"]: row for row in rows if "port_name" in row}
    interfaces = {row["name"]: row for row in forwarding.rows("Interface", "name", "ofport", "ifindex")}
    datapath_id = forwarding.vsctl("get bridge br0 datapath_id").strip('"')
    assert ports.keys() >= {"br0", "eth1", "eth2"}
    for name, row in ports.items():
        assert row["of_port"] == {"datapath_id": datapath_id, "port_no": interfaces[name]["ofport"]}
        assert row["if_counters"]["if_index"] == interfaces[name]["ifindex"]
    datapath = [row["ovs_dp_stats"] for row in rows if "ovs_dp_stats" in row]
    assert datapath[-1]["hits"] + datapath[-1]["misses"] >= SAMPLES and all("app_resources" in row for row in rows if "ovs_dp_stats" in row)


def test_sums_of_the_userspace_datapath_beside_nfdump(datagrams, forwarding, tmp_path):
    """Without tunnels, whose samples sfcapd 1.7.1 does not accept."""
    taken = [
        data
        for data in datagrams
        if not any({"tunnel", "extended_vni_egress", "extended_vni_ingress"} & row.keys() for row in decode(data).rows())
    ]
    ours: Counter[str] = Counter()
    for data in taken:
        for sample in decode(data).samples:
            if sample.kind == "flow":
                kind = {1: "icmp", 6: "tcp", 17: "udp"}.get(sample.traffic().ip_proto, "other")
                ours[f"Packets_{kind}"] += sample.sampling_rate
                ours[f"Bytes_{kind}"] += sample.sampling_rate * sample.traffic().frame_bytes
    theirs = re.findall(r"^((?:Packets|Bytes)_\w+): (\d+)$", _summed_by_nfdump(taken, forwarding, tmp_path), re.M)
    assert {name: int(value) for name, value in theirs if int(value)} == ours


def _summed_by_nfdump(datagrams, forwarding, directory) -> str:
    here = ["ip", "netns", "exec", forwarding.box.namespace]
    argv = [*here, "sfcapd", "-w", str(directory), "-p", "9995", "-b", "127.0.0.1"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as daemon:
        try:
            while f"{9995:04X} " not in subprocess.run([*here, "cat", "/proc/net/udp"], capture_output=True, text=True).stdout:
                assert daemon.poll() is None
                time.sleep(0.05)
            lines = "\n".join(data.hex() for data in datagrams)
            subprocess.run([*here, sys.executable, "-c", REPLAY], input=lines, text=True, check=True, timeout=30)
        finally:
            daemon.send_signal(signal.SIGTERM)  # makes it read what has arrived, and write everything
        daemon.wait(timeout=60)
    return subprocess.run(["nfdump", "-I", "-R", str(directory)], capture_output=True, text=True, check=True).stdout


def test_each_record_and_packet_beside_tshark(tmp_path):
    if not os.environ.get("CI") and subprocess.run(["sh", "-c", "command -v tshark"], capture_output=True).returncode:
        pytest.skip("there is no tshark")
    flows = [(spec.record(tag, body), spec.header(FRAME)) for tag, (body, _, _) in FLOW.items()]
    counters = [spec.record(tag, body) for tag, (body, _, _) in COUNTERS.items()]
    headers = [spec.header(packet, protocol) for name, (protocol, packet, _) in PACKETS.items() if name not in ELSEWHERE]
    built = [spec.datagram(spec.flow(header, record), spec.expanded_flow(record)) for record, header in flows]
    built += [spec.datagram(spec.counter(record), spec.expanded_counter(record), agent="2001:db8::7") for record in counters]
    built += [spec.datagram(spec.flow(header)) for header in headers]
    interfaces = (0, 5, 0x3FFFFFFF, 0x80000000, 0x80000007)
    built += [spec.datagram(spec.flow(interfaces=(3, interface)), sub_agent=9, agent="2001:db8::7") for interface in interfaces]
    built += [spec.datagram(spec.expanded_flow(source=(3, 70000), interfaces=(0, 2**31, kind, 7))) for kind in (0, 1, 2)]
    compared, wrong = differences(built, tmp_path)
    assert wrong == [] and compared > 4000
