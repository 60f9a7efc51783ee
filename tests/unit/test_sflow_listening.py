"""The datagrams of a capture that are decoded."""

import struct

import pytest
import sflow_datagrams as spec

from ovstool.switch import Switch
from ovstool.switch.sflow.listening import Origin, batches

VERSION_5, OTHER = b"\0\0\0\5", b"\0\1"
SENT = [(6343, VERSION_5 + b"a"), (6343, OTHER + b"b"), (7000, VERSION_5 + b"c"), (7000, OTHER + b"d"), (53, OTHER + b"e")]


@pytest.mark.parametrize(("port", "heard"), [(None, b"abc"), (6343, b"ab"), (7000, b"cd"), (53, b"e"), (54, b"")])
def test_datagrams_to_the_port_or_by_default_all_that_look_like_sflow(tmp_path, port, heard):
    data = struct.pack(">IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    for to, payload in SENT:
        packet = spec.ipv4(17, spec.udp(999, to, payload))
        data += struct.pack(">4I", 1000, 0, len(packet), len(packet)) + packet
    (tmp_path / "a.pcap").write_bytes(data)
    found = batches(Switch("unix:/nonexistent"), Origin(port, None, str(tmp_path / "a.pcap")))
    assert b"".join(arrival.payload[-1:] for batch in found for arrival in batch) == heard
