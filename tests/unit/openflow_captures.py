"""Replies of a real ovs-vswitchd (Open vSwitch 3.1.0), byte for byte, with what ovs-ofctl printed for the same bytes.

ovs-ofctl was given a socket behind which everything was handed on to a bridge and back, and kept. Two switches were asked: ``dummy``
ovs-ofctl was connected to a proxy that passed everything on to a bridge and recorded it. There were two switches: ``dummy`` (its ports do
not count errors, and have custom counters) and ``netdev`` (veth pairs with a link speed, one with an HTB of two queues).
"""

from typing import NamedTuple


class Capture(NamedTuple):
    """A reply, and what ovs-ofctl printed for it; ``what`` is its command."""

    version: int
    datapath: str
    what: str
    answer: bytes
    text: str


_CAPTURES = [
    (
        1,
        "dummy",
        "dump-ports",
        "011101440000000200040000fffe0000000000000000000000000000000000000000000400000000000000000000000000000154ffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff0001000000000000"
        "0000000000000003000000000000000100000000000000b400000000000000a0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff00020000000000000000000000000001000000000000000300000000"
        "000000a000000000000000b4ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffff",
        """\
OFPST_PORT reply (xid=0x2): 3 ports
  port LOCAL: rx pkts=0, bytes=0, drop=?, errs=?, frame=?, over=?, crc=?
           tx pkts=4, bytes=340, drop=?, errs=?, coll=?
  port  1: rx pkts=3, bytes=180, drop=?, errs=?, frame=?, over=?, crc=?
           tx pkts=1, bytes=160, drop=?, errs=?, coll=?
  port  2: rx pkts=1, bytes=160, drop=?, errs=?, frame=?, over=?, crc=?
           tx pkts=3, bytes=180, drop=?, errs=?, coll=?
""",
    ),
    (
        1,
        "dummy",
        "queue-stats",
        "0111006c0000000200050000fffe000000000000ffffffffffffffffffffffffffffffffffffffffffffffff0001000000000000ffffffffffffffffffff"
        "ffffffffffffffffffffffffffff0002000000000000ffffffffffffffffffffffffffffffffffffffffffffffff",
        """\
OFPST_QUEUE reply (xid=0x2): 3 queues
  port LOCAL queue 0: bytes=?, pkts=?, errors=?, duration=?
  port 1 queue 0: bytes=?, pkts=?, errors=?, duration=?
  port 2 queue 0: bytes=?, pkts=?, errors=?, duration=?
""",
    ),
    (
        1,
        "dummy",
        "dump-ports-desc",
        "010600b00000000200006ec1d450e24000000000fe000000000000c700000ffffffe6ec1d450e24062723000000000000000000000000000000000000000"
        "0000000000000000000000000000000000000001aa55aa55000f657468310000000000000000000000000000000000000000000000000000000000000000"
        "000000000002aa55aa55001065746832000000000000000000000000000000000000000000000000000000000000000000000000",
        """\
OFPST_PORT_DESC reply (xid=0x2):
 1(eth1): addr:aa:55:aa:55:00:0f
     config:     0
     state:      0
     speed: 0 Mbps now, 0 Mbps max
 2(eth2): addr:aa:55:aa:55:00:10
     config:     0
     state:      0
     speed: 0 Mbps now, 0 Mbps max
 LOCAL(br0): addr:6e:c1:d4:50:e2:40
     config:     0
     state:      0
     speed: 0 Mbps now, 0 Mbps max
""",
    ),
    (
        1,
        "netdev",
        "dump-ports",
        "011101440000000200040000fffe000000000000000000000000000c000000000000001700000000000003a800000000000006f600000000000000000000"
        "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001000000000000"
        "0000000000000011000000000000002900000000000005220000000000000c72000000000000000000000000000000000000000000000000000000000000"
        "0000000000000000000000000000000000000000000000000000000000000000000000020000000000000000000000000011000000000000002800000000"
        "000005220000000000000c180000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "0000000000000000000000000000",
        """\
OFPST_PORT reply (xid=0x2): 3 ports
  port LOCAL: rx pkts=12, bytes=936, drop=0, errs=0, frame=0, over=0, crc=0
           tx pkts=23, bytes=1782, drop=0, errs=0, coll=0
  port  1: rx pkts=17, bytes=1314, drop=0, errs=0, frame=0, over=0, crc=0
           tx pkts=41, bytes=3186, drop=0, errs=0, coll=0
  port  2: rx pkts=17, bytes=1314, drop=0, errs=0, frame=0, over=0, crc=0
           tx pkts=40, bytes=3096, drop=0, errs=0, coll=0
""",
    ),
    (
        1,
        "netdev",
        "queue-stats",
        "0111004c00000002000500000002000000000000000000000000017a00000000000000050000000000000000000200000000000100000000000000000000"
        "0000000000000000000000000000",
        """\
OFPST_QUEUE reply (xid=0x2): 2 queues
  port 2 queue 0: bytes=378, pkts=5, errors=0, duration=?
  port 2 queue 1: bytes=0, pkts=0, errors=0, duration=?
""",
    ),
    (
        1,
        "netdev",
        "dump-ports-desc",
        "010600b0000000020000de9d8649a04000000000fe000000000000c700000ffffffede9d8649a04062723000000000000000000000000000000000000000"
        "0000000000c000000000000000000000000000012299c90fc8e2657468320000000000000000000000000000000000000000000000c00000000000000000"
        "000000000002860bbd8b0577657468310000000000000000000000000000000000000000000000c0000000000000000000000000",
        """\
OFPST_PORT_DESC reply (xid=0x2):
 1(eth2): addr:22:99:c9:0f:c8:e2
     config:     0
     state:      0
     current:    10GB-FD COPPER
     speed: 10000 Mbps now, 0 Mbps max
 2(eth1): addr:86:0b:bd:8b:05:77
     config:     0
     state:      0
     current:    10GB-FD COPPER
     speed: 10000 Mbps now, 0 Mbps max
 LOCAL(br0): addr:de:9d:86:49:a0:40
     config:     0
     state:      0
     current:    10GB-FD COPPER
     speed: 10000 Mbps now, 0 Mbps max
""",
    ),
    (
        1,
        "dummy",
        "queue-stats 99",
        "01010020000000020005000001100014000000020005000000630000ffffffff",
        """\
OFPT_ERROR (xid=0x2): OFPQOFC_BAD_PORT
OFPST_QUEUE request (xid=0x2): port=99 queue=ALL
""",
    ),
    (
        1,
        "dummy",
        "queue-stats 1 9",
        "0101002000000002000500010110001400000002000500000001000000000009",
        """\
OFPT_ERROR (xid=0x2): OFPQOFC_BAD_QUEUE
OFPST_QUEUE request (xid=0x2): port=1 queue=9
""",
    ),
    (
        4,
        "dummy",
        "dump-ports",
        "04130160000000020004000000000000fffffffe000000000000000000000000000000000000000400000000000000000000000000000154ffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff00000160"
        "13d92d4000000001000000000000000000000003000000000000000100000000000000b400000000000000a0ffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff0000016013d92d400000000200000000"
        "0000000000000001000000000000000300000000000000a000000000000000b4ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff0000016013d92d40",
        """\
OFPST_PORT reply (OF1.3) (xid=0x2): 3 ports
  port LOCAL: rx pkts=0, bytes=0, drop=?, errs=?, frame=?, over=?, crc=?
           tx pkts=4, bytes=340, drop=?, errs=?, coll=?
           duration=352.333s
  port  1: rx pkts=3, bytes=180, drop=?, errs=?, frame=?, over=?, crc=?
           tx pkts=1, bytes=160, drop=?, errs=?, coll=?
           duration=352.333s
  port  2: rx pkts=1, bytes=160, drop=?, errs=?, frame=?, over=?, crc=?
           tx pkts=3, bytes=180, drop=?, errs=?, coll=?
           duration=352.333s
""",
    ),
    (
        4,
        "dummy",
        "queue-stats",
        "04130088000000020005000000000000fffffffe00000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff000000010000"
        "0000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff0000000200000000ffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffff",
        """\
OFPST_QUEUE reply (OF1.3) (xid=0x2): 3 queues
  port LOCAL queue 0: bytes=?, pkts=?, errors=?, duration=?
  port 1 queue 0: bytes=?, pkts=?, errors=?, duration=?
  port 2 queue 0: bytes=?, pkts=?, errors=?, duration=?
""",
    ),
    (
        4,
        "dummy",
        "dump-ports-desc",
        "041300d000000002000d000000000000fffffffe000000006ec1d450e2400000627230000000000000000000000000000000000000000004000000000000"
        "0000000000000000000000000000000000000000000100000000aa55aa55000f000065746831000000000000000000000000000000000000000400000000"
        "00000000000000000000000000000000000000000000000200000000aa55aa55001000006574683200000000000000000000000000000000000000040000"
        "00000000000000000000000000000000000000000000",
        """\
OFPST_PORT_DESC reply (OF1.3) (xid=0x2):
 1(eth1): addr:aa:55:aa:55:00:0f
     config:     0
     state:      LIVE
     speed: 0 Mbps now, 0 Mbps max
 2(eth2): addr:aa:55:aa:55:00:10
     config:     0
     state:      LIVE
     speed: 0 Mbps now, 0 Mbps max
 LOCAL(br0): addr:6e:c1:d4:50:e2:40
     config:     0
     state:      LIVE
     speed: 0 Mbps now, 0 Mbps max
""",
    ),
    (
        4,
        "netdev",
        "dump-ports",
        "04130160000000020004000000000000fffffffe00000000000000000000000c000000000000001700000000000003a800000000000006f6000000000000"
        "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000015f"
        "34edce0000000001000000000000000000000011000000000000002900000000000005220000000000000c72000000000000000000000000000000000000"
        "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000015f34edce000000000200000000"
        "0000000000000011000000000000002800000000000005220000000000000c18000000000000000000000000000000000000000000000000000000000000"
        "000000000000000000000000000000000000000000000000000000000000000000000000015f34edce00",
        """\
OFPST_PORT reply (OF1.3) (xid=0x2): 3 ports
  port LOCAL: rx pkts=12, bytes=936, drop=0, errs=0, frame=0, over=0, crc=0
           tx pkts=23, bytes=1782, drop=0, errs=0, coll=0
           duration=351.888s
  port  1: rx pkts=17, bytes=1314, drop=0, errs=0, frame=0, over=0, crc=0
           tx pkts=41, bytes=3186, drop=0, errs=0, coll=0
           duration=351.888s
  port  2: rx pkts=17, bytes=1314, drop=0, errs=0, frame=0, over=0, crc=0
           tx pkts=40, bytes=3096, drop=0, errs=0, coll=0
           duration=351.888s
""",
    ),
    (
        4,
        "netdev",
        "queue-stats",
        "041300600000000200050000000000000000000200000000000000000000017a0000000000000005000000000000000031419b0d38ec24c0000000020000"
        "000100000000000000000000000000000000000000000000000031419b0d38ec24c0",
        """\
OFPST_QUEUE reply (OF1.3) (xid=0x2): 2 queues
  port 2 queue 0: bytes=378, pkts=5, errors=0, duration=826383117.955s
  port 2 queue 1: bytes=0, pkts=0, errors=0, duration=826383117.955s
""",
    ),
    (
        4,
        "netdev",
        "dump-ports-desc",
        "041300d000000002000d000000000000fffffffe00000000de9d8649a0400000627230000000000000000000000000000000000000000004000008400000"
        "00000000000000000000009896800000000000000001000000002299c90fc8e2000065746832000000000000000000000000000000000000000400000840"
        "00000000000000000000000000989680000000000000000200000000860bbd8b057700006574683100000000000000000000000000000000000000040000"
        "08400000000000000000000000000098968000000000",
        """\
OFPST_PORT_DESC reply (OF1.3) (xid=0x2):
 1(eth2): addr:22:99:c9:0f:c8:e2
     config:     0
     state:      LIVE
     current:    10GB-FD COPPER
     speed: 10000 Mbps now, 0 Mbps max
 2(eth1): addr:86:0b:bd:8b:05:77
     config:     0
     state:      LIVE
     current:    10GB-FD COPPER
     speed: 10000 Mbps now, 0 Mbps max
 LOCAL(br0): addr:de:9d:86:49:a0:40
     config:     0
     state:      LIVE
     current:    10GB-FD COPPER
     speed: 10000 Mbps now, 0 Mbps max
""",
    ),
    (
        4,
        "dummy",
        "queue-stats 99",
        "0401002400000002000900000412001800000002000500000000000000000063ffffffff",
        """\
OFPT_ERROR (OF1.3) (xid=0x2): OFPQOFC_BAD_PORT
OFPST_QUEUE request (OF1.3) (xid=0x2): port=99 queue=ALL
""",
    ),
    (
        4,
        "dummy",
        "queue-stats 1 9",
        "040100240000000200090001041200180000000200050000000000000000000100000009",
        """\
OFPT_ERROR (OF1.3) (xid=0x2): OFPQOFC_BAD_QUEUE
OFPST_QUEUE request (OF1.3) (xid=0x2): port=1 queue=9
""",
    ),
    (
        5,
        "dummy",
        "dump-ports",
        "0513058000000002000400000000000001d00000fffffffe0000016015d0b780000000000000000000000000000000040000000000000000000000000000"
        "0154ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff0000002800000000ffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffff00b80000aa010000000100000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffff009c0000aa0100000002000000061372785f637573746f6d5f7061636b6574735f3100000000000000001372785f63757374"
        "6f6d5f7061636b6574735f3200000000000000000b72785f71305f627974657300000000000000000d72785f71305f7061636b6574730000000000000000"
        "0b74785f71305f627974657300000000000001540d74785f71305f7061636b65747300000000000000040000000001d00000000000010000016015d0b780"
        "0000000000000003000000000000000100000000000000b400000000000000a0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffff0000002800000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff00b80000aa010000000100000000ffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff009c0000aa0100000002000000061372785f6375"
        "73746f6d5f7061636b6574735f3100000000000000031372785f637573746f6d5f7061636b6574735f3200000000000000030b72785f71305f6279746573"
        "00000000000000b40d72785f71305f7061636b65747300000000000000030b74785f71305f627974657300000000000000a00d74785f71305f7061636b65"
        "747300000000000000010000000001d00000000000020000016015d0b7800000000000000001000000000000000300000000000000a000000000000000b4"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff0000002800000000ffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffff00b80000aa010000000100000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffff009c0000aa0100000002000000061372785f637573746f6d5f7061636b6574735f3100000000000000011372785f637573746f6d"
        "5f7061636b6574735f3200000000000000010b72785f71305f627974657300000000000000a00d72785f71305f7061636b65747300000000000000010b74"
        "785f71305f627974657300000000000000b40d74785f71305f7061636b657473000000000000000300000000",
        """\
OFPST_PORT reply (OF1.4) (xid=0x2): 3 ports
  port LOCAL: rx pkts=0, bytes=0, drop=?, errs=?, frame=?, over=?, crc=?
           tx pkts=4, bytes=340, drop=?, errs=?, coll=?
           duration=352.366s
           CUSTOM Statistics
                      rx_custom_packets_1=0, rx_custom_packets_2=0, rx_q0_bytes=0,
                      rx_q0_packets=0, tx_q0_bytes=340, tx_q0_packets=4,
  port  1: rx pkts=3, bytes=180, drop=?, errs=?, frame=?, over=?, crc=?
           tx pkts=1, bytes=160, drop=?, errs=?, coll=?
           duration=352.366s
           CUSTOM Statistics
                      rx_custom_packets_1=3, rx_custom_packets_2=3, rx_q0_bytes=180,
                      rx_q0_packets=3, tx_q0_bytes=160, tx_q0_packets=1,
  port  2: rx pkts=1, bytes=160, drop=?, errs=?, frame=?, over=?, crc=?
           tx pkts=3, bytes=180, drop=?, errs=?, coll=?
           duration=352.366s
           CUSTOM Statistics
                      rx_custom_packets_1=1, rx_custom_packets_2=1, rx_q0_bytes=160,
                      rx_q0_packets=1, tx_q0_bytes=180, tx_q0_packets=3,
""",
    ),
    (
        5,
        "dummy",
        "queue-stats",
        "051300a00000000200050000000000000030000000000000fffffffe00000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffff00300000000000000000000100000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff003000000000000000000002"
        "00000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        """\
OFPST_QUEUE reply (OF1.4) (xid=0x2): 3 queues
  port LOCAL queue 0: bytes=?, pkts=?, errors=?, duration=?
  port 1 queue 0: bytes=?, pkts=?, errors=?, duration=?
  port 2 queue 0: bytes=?, pkts=?, errors=?, duration=?
""",
    ),
    (
        5,
        "dummy",
        "dump-ports-desc",
        "051300e800000002000d000000000000fffffffe004800006ec1d450e2400000627230000000000000000000000000000000000000000004000000200000"
        "00000000000000000000000000000000000000000000000000000000000100480000aa55aa55000f00006574683100000000000000000000000000000000"
        "0000000400000020000000000000000000000000000000000000000000000000000000000000000200480000aa55aa550010000065746832000000000000"
        "00000000000000000000000000040000002000000000000000000000000000000000000000000000000000000000",
        """\
OFPST_PORT_DESC reply (OF1.4) (xid=0x2):
 1(eth1): addr:aa:55:aa:55:00:0f
     config:     0
     state:      LIVE
     speed: 0 Mbps now, 0 Mbps max
 2(eth2): addr:aa:55:aa:55:00:10
     config:     0
     state:      LIVE
     speed: 0 Mbps now, 0 Mbps max
 LOCAL(br0): addr:6e:c1:d4:50:e2:40
     config:     0
     state:      LIVE
     speed: 0 Mbps now, 0 Mbps max
""",
    ),
    (
        5,
        "netdev",
        "dump-ports",
        "051303a000000002000400000000000001300000fffffffe0000015f36f49a80000000000000000c000000000000001700000000000003a8000000000000"
        "06f6000000000000000000000000000000000000000000000000000000000000000000000028000000000000000000000000000000000000000000000000"
        "000000000000000000000000ffff00b80000aa010000000100000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffff01300000000000010000015f36f49a800000000000000011000000000000002900000000000005220000000000000c7200000000"
        "0000000000000000000000000000000000000000000000000000000000000028000000000000000000000000000000000000000000000000000000000000"
        "000000000000ffff00b80000aa010000000100000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffff01300000000000020000015f36f49a800000000000000011000000000000002800000000000005220000000000000c1800000000000000000000"
        "0000000000000000000000000000000000000000000000000028000000000000000000000000000000000000000000000000000000000000000000000000"
        "ffff00b80000aa010000000100000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        """\
OFPST_PORT reply (OF1.4) (xid=0x2): 3 ports
  port LOCAL: rx pkts=12, bytes=936, drop=0, errs=0, frame=0, over=0, crc=0
           tx pkts=23, bytes=1782, drop=0, errs=0, coll=0
           duration=351.922s
  port  1: rx pkts=17, bytes=1314, drop=0, errs=0, frame=0, over=0, crc=0
           tx pkts=41, bytes=3186, drop=0, errs=0, coll=0
           duration=351.922s
  port  2: rx pkts=17, bytes=1314, drop=0, errs=0, frame=0, over=0, crc=0
           tx pkts=40, bytes=3096, drop=0, errs=0, coll=0
           duration=351.922s
""",
    ),
    (
        5,
        "netdev",
        "queue-stats",
        "0513007000000002000500000000000000300000000000000000000200000000000000000000017a0000000000000005000000000000000031419b0d3b02"
        "33800030000000000000000000020000000100000000000000000000000000000000000000000000000031419b0d3b023380",
        """\
OFPST_QUEUE reply (OF1.4) (xid=0x2): 2 queues
  port 2 queue 0: bytes=378, pkts=5, errors=0, duration=826383117.990s
  port 2 queue 1: bytes=0, pkts=0, errors=0, duration=826383117.990s
""",
    ),
    (
        5,
        "netdev",
        "dump-ports-desc",
        "051300e800000002000d000000000000fffffffe00480000de9d8649a0400000627230000000000000000000000000000000000000000004000000200000"
        "000000000840000000000000000000000000009896800000000000000001004800002299c90fc8e200006574683200000000000000000000000000000000"
        "0000000400000020000000000000084000000000000000000000000000989680000000000000000200480000860bbd8b0577000065746831000000000000"
        "00000000000000000000000000040000002000000000000008400000000000000000000000000098968000000000",
        """\
OFPST_PORT_DESC reply (OF1.4) (xid=0x2):
 1(eth2): addr:22:99:c9:0f:c8:e2
     config:     0
     state:      LIVE
     current:    10GB-FD COPPER
     speed: 10000 Mbps now, 0 Mbps max
 2(eth1): addr:86:0b:bd:8b:05:77
     config:     0
     state:      LIVE
     current:    10GB-FD COPPER
     speed: 10000 Mbps now, 0 Mbps max
 LOCAL(br0): addr:de:9d:86:49:a0:40
     config:     0
     state:      LIVE
     current:    10GB-FD COPPER
     speed: 10000 Mbps now, 0 Mbps max
""",
    ),
    (
        5,
        "dummy",
        "queue-stats 99",
        "0501002400000002000900000512001800000002000500000000000000000063ffffffff",
        """\
OFPT_ERROR (OF1.4) (xid=0x2): OFPQOFC_BAD_PORT
OFPST_QUEUE request (OF1.4) (xid=0x2): port=99 queue=ALL
""",
    ),
    (
        5,
        "dummy",
        "queue-stats 1 9",
        "050100240000000200090001051200180000000200050000000000000000000100000009",
        """\
OFPT_ERROR (OF1.4) (xid=0x2): OFPQOFC_BAD_QUEUE
OFPST_QUEUE request (OF1.4) (xid=0x2): port=1 queue=9
""",
    ),
    (
        6,
        "dummy",
        "dump-ports",
        "0613058000000002000400000000000001d00000fffffffe0000016017e6c640000000000000000000000000000000040000000000000000000000000000"
        "0154ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff0000002800000000ffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffff00b80000aa010000000100000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffff009c0000aa0100000002000000061372785f637573746f6d5f7061636b6574735f3100000000000000001372785f63757374"
        "6f6d5f7061636b6574735f3200000000000000000b72785f71305f627974657300000000000000000d72785f71305f7061636b6574730000000000000000"
        "0b74785f71305f627974657300000000000001540d74785f71305f7061636b65747300000000000000040000000001d00000000000010000016017e6c640"
        "0000000000000003000000000000000100000000000000b400000000000000a0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffff0000002800000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff00b80000aa010000000100000000ffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff009c0000aa0100000002000000061372785f6375"
        "73746f6d5f7061636b6574735f3100000000000000031372785f637573746f6d5f7061636b6574735f3200000000000000030b72785f71305f6279746573"
        "00000000000000b40d72785f71305f7061636b65747300000000000000030b74785f71305f627974657300000000000000a00d74785f71305f7061636b65"
        "747300000000000000010000000001d00000000000020000016017e6c6400000000000000001000000000000000300000000000000a000000000000000b4"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff0000002800000000ffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffff00b80000aa010000000100000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffff009c0000aa0100000002000000061372785f637573746f6d5f7061636b6574735f3100000000000000011372785f637573746f6d"
        "5f7061636b6574735f3200000000000000010b72785f71305f627974657300000000000000a00d72785f71305f7061636b65747300000000000000010b74"
        "785f71305f627974657300000000000000b40d74785f71305f7061636b657473000000000000000300000000",
        """\
OFPST_PORT reply (OF1.5) (xid=0x2): 3 ports
  port LOCAL: rx pkts=0, bytes=0, drop=?, errs=?, frame=?, over=?, crc=?
           tx pkts=4, bytes=340, drop=?, errs=?, coll=?
           duration=352.401s
           CUSTOM Statistics
                      rx_custom_packets_1=0, rx_custom_packets_2=0, rx_q0_bytes=0,
                      rx_q0_packets=0, tx_q0_bytes=340, tx_q0_packets=4,
  port  1: rx pkts=3, bytes=180, drop=?, errs=?, frame=?, over=?, crc=?
           tx pkts=1, bytes=160, drop=?, errs=?, coll=?
           duration=352.401s
           CUSTOM Statistics
                      rx_custom_packets_1=3, rx_custom_packets_2=3, rx_q0_bytes=180,
                      rx_q0_packets=3, tx_q0_bytes=160, tx_q0_packets=1,
  port  2: rx pkts=1, bytes=160, drop=?, errs=?, frame=?, over=?, crc=?
           tx pkts=3, bytes=180, drop=?, errs=?, coll=?
           duration=352.401s
           CUSTOM Statistics
                      rx_custom_packets_1=1, rx_custom_packets_2=1, rx_q0_bytes=160,
                      rx_q0_packets=1, tx_q0_bytes=180, tx_q0_packets=3,
""",
    ),
    (
        6,
        "dummy",
        "queue-stats",
        "061300a00000000200050000000000000030000000000000fffffffe00000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffff00300000000000000000000100000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff003000000000000000000002"
        "00000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        """\
OFPST_QUEUE reply (OF1.5) (xid=0x2): 3 queues
  port LOCAL queue 0: bytes=?, pkts=?, errors=?, duration=?
  port 1 queue 0: bytes=?, pkts=?, errors=?, duration=?
  port 2 queue 0: bytes=?, pkts=?, errors=?, duration=?
""",
    ),
    (
        6,
        "dummy",
        "dump-ports-desc",
        "061300e800000002000d000000000000fffffffe004800006ec1d450e2400000627230000000000000000000000000000000000000000004000000200000"
        "00000000000000000000000000000000000000000000000000000000000100480000aa55aa55000f00006574683100000000000000000000000000000000"
        "0000000400000020000000000000000000000000000000000000000000000000000000000000000200480000aa55aa550010000065746832000000000000"
        "00000000000000000000000000040000002000000000000000000000000000000000000000000000000000000000",
        """\
OFPST_PORT_DESC reply (OF1.5) (xid=0x2):
 1(eth1): addr:aa:55:aa:55:00:0f
     config:     0
     state:      LIVE
     speed: 0 Mbps now, 0 Mbps max
 2(eth2): addr:aa:55:aa:55:00:10
     config:     0
     state:      LIVE
     speed: 0 Mbps now, 0 Mbps max
 LOCAL(br0): addr:6e:c1:d4:50:e2:40
     config:     0
     state:      LIVE
     speed: 0 Mbps now, 0 Mbps max
""",
    ),
    (
        6,
        "netdev",
        "dump-ports",
        "061303a000000002000400000000000001300000fffffffe0000015f38fb6700000000000000000c000000000000001700000000000003a8000000000000"
        "06f6000000000000000000000000000000000000000000000000000000000000000000000028000000000000000000000000000000000000000000000000"
        "000000000000000000000000ffff00b80000aa010000000100000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffff01300000000000010000015f38fb67000000000000000011000000000000002900000000000005220000000000000c7200000000"
        "0000000000000000000000000000000000000000000000000000000000000028000000000000000000000000000000000000000000000000000000000000"
        "000000000000ffff00b80000aa010000000100000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffff01300000000000020000015f38fb67000000000000000011000000000000002800000000000005220000000000000c1800000000000000000000"
        "0000000000000000000000000000000000000000000000000028000000000000000000000000000000000000000000000000000000000000000000000000"
        "ffff00b80000aa010000000100000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        """\
OFPST_PORT reply (OF1.5) (xid=0x2): 3 ports
  port LOCAL: rx pkts=12, bytes=936, drop=0, errs=0, frame=0, over=0, crc=0
           tx pkts=23, bytes=1782, drop=0, errs=0, coll=0
           duration=351.956s
  port  1: rx pkts=17, bytes=1314, drop=0, errs=0, frame=0, over=0, crc=0
           tx pkts=41, bytes=3186, drop=0, errs=0, coll=0
           duration=351.956s
  port  2: rx pkts=17, bytes=1314, drop=0, errs=0, frame=0, over=0, crc=0
           tx pkts=40, bytes=3096, drop=0, errs=0, coll=0
           duration=351.956s
""",
    ),
    (
        6,
        "netdev",
        "queue-stats",
        "0613007000000002000500000000000000300000000000000000000200000000000000000000017a0000000000000005000000000000000031419b0e016e"
        "36000030000000000000000000020000000100000000000000000000000000000000000000000000000031419b0e016e3600",
        """\
OFPST_QUEUE reply (OF1.5) (xid=0x2): 2 queues
  port 2 queue 0: bytes=378, pkts=5, errors=0, duration=826383118.024s
  port 2 queue 1: bytes=0, pkts=0, errors=0, duration=826383118.024s
""",
    ),
    (
        6,
        "netdev",
        "dump-ports-desc",
        "061300e800000002000d000000000000fffffffe00480000de9d8649a0400000627230000000000000000000000000000000000000000004000000200000"
        "000000000840000000000000000000000000009896800000000000000001004800002299c90fc8e200006574683200000000000000000000000000000000"
        "0000000400000020000000000000084000000000000000000000000000989680000000000000000200480000860bbd8b0577000065746831000000000000"
        "00000000000000000000000000040000002000000000000008400000000000000000000000000098968000000000",
        """\
OFPST_PORT_DESC reply (OF1.5) (xid=0x2):
 1(eth2): addr:22:99:c9:0f:c8:e2
     config:     0
     state:      LIVE
     current:    10GB-FD COPPER
     speed: 10000 Mbps now, 0 Mbps max
 2(eth1): addr:86:0b:bd:8b:05:77
     config:     0
     state:      LIVE
     current:    10GB-FD COPPER
     speed: 10000 Mbps now, 0 Mbps max
 LOCAL(br0): addr:de:9d:86:49:a0:40
     config:     0
     state:      LIVE
     current:    10GB-FD COPPER
     speed: 10000 Mbps now, 0 Mbps max
""",
    ),
    (
        6,
        "dummy",
        "queue-stats 99",
        "0601002400000002000900000612001800000002000500000000000000000063ffffffff",
        """\
OFPT_ERROR (OF1.5) (xid=0x2): OFPQOFC_BAD_PORT
OFPST_QUEUE request (OF1.5) (xid=0x2): port=99 queue=ALL
""",
    ),
    (
        6,
        "dummy",
        "queue-stats 1 9",
        "060100240000000200090001061200180000000200050000000000000000000100000009",
        """\
OFPT_ERROR (OF1.5) (xid=0x2): OFPQOFC_BAD_QUEUE
OFPST_QUEUE request (OF1.5) (xid=0x2): port=1 queue=9
""",
    ),
]

CAPTURES = [Capture(version, datapath, what, bytes.fromhex(answer), text) for version, datapath, what, answer, text in _CAPTURES]

# The replies of a bridge that speaks only this version: to a hello, a barrier request, an unknown message type, and an unknown statistics
# type.
HELLOS = {
    1: bytes.fromhex("0100000800000037"),
    4: bytes.fromhex("04000010000000380001000800000010"),
    5: bytes.fromhex("05000010000000390001000800000020"),
    6: bytes.fromhex("060000100000003a0001000800000040"),
}
BARRIERS = {
    1: bytes.fromhex("0113000800000007"),
    4: bytes.fromhex("0415000800000007"),
    5: bytes.fromhex("0515000800000007"),
    6: bytes.fromhex("0615000800000007"),
}
UNKNOWN_TYPE = {
    1: bytes.fromhex("010100140000000700010001014d000800000007"),
    4: bytes.fromhex("040100140000000700010001044d000800000007"),
    5: bytes.fromhex("050100140000000700010001054d000800000007"),
    6: bytes.fromhex("060100140000000700010001064d000800000007"),
}
UNKNOWN_STATISTICS = {
    1: bytes.fromhex("0101001800000007000100020110000c0000000703e70000"),
    4: bytes.fromhex("0401001c0000000700010002041200100000000703e7000000000000"),
    5: bytes.fromhex("0501001c0000000700010002051200100000000703e7000000000000"),
    6: bytes.fromhex("0601001c0000000700010002061200100000000703e7000000000000"),
}
HELLO_OF_ALL = bytes.fromhex("060000080000003b")
HELLO_OF_OTHERS = bytes.fromhex("030000100000003c000100080000000c")  # OpenFlow11 and OpenFlow12
HELLO_FAILED = bytes.fromhex(
    "0601006c0000000000000000576520737570706f72742076657273696f6e7320307830322c20307830332c20796f7520737570706f72742076657273696f"
    "6e7320307830312c20307830342c20307830352c20307830362c206e6f20636f6d6d6f6e2076657273696f6e732e"
)
# 151 ports with custom counters, too many for one message of OpenFlow 1.4: zlib, base64.
IN_PARTS = (
    "eNrt3UdPVFEUwPE3MIMFsTD2jhULOmDv2LvYu4yAYEEcYAYFK/bey8qFS+POnUs/gp/DrXtxeILRhASW5p//S4Cbmbt44Zdzz7nnPoZYvONDEAQ5QTSIZH8GkW+d"
    "34OB4bjyx9egl6ujlys7pbgv87IzvwTBp857iPRt/v9yBe+77jsn+5UXb25N1rSkM6mGZGNVTX1tJp0s7f5d9fBeWfd7+dn3mhLJ6rZMbbr7tYLfr3XN/TMz08PM"
    "TE8z//LsryfKszYcl5YEeiI874bjwo/teiI8V4Tjis96Mjyn64nybA7HRd+thxieD8yfKM+08YnybNET5fnS9RblOc7+EMpzvvsVlOf2cFyeKtcT4Zm0f4vyLDB/"
    "ojyLzJ8oz3XmT5RntfkT5dlufwjl+TYc59a53jI8B1vfojzrzZ8oz/HGJ8rziPGJ8lxmPwHlOdT1FuU5Uk+U5wXzJ8rzqJ4ozyXWQyjPIeZPlOdhz8tQnnHjE+V5"
    "yfMylOdFPVGey61vUZ67rYdQnof0RHlOdb1FeVbZ70N5pqxvUZ5teqI8a1xvUZ4D7PehPGN6ojzXuv9Eee7SE+W5Q0+U5149UZ6r9ER55lnfojzLjU+UZ8LzFZTn"
    "NuOT45m9yZ/mT1R8nrAfj/J86uelojz3mD9Rnqdcb1Gex/VEeTb5vAnKc6L7FZTnM+tblOdtPVGew1xvUZ6T9ER53rS+RXku9rwM5TlDT5RnvvkT5TnZ+ER5XrEe"
    "QnmetR+P8nxkfwjlGbUeQnlu9vkElOdc61uU57tw7P9HoniuND5Rnjfcf6I8N1kPoTx36onyfG0/AeX5WE+U5xj7QyjP58YnyrPM/SfKc56eKM9R5k+UZ8b+EMpz"
    "o/0ElOc+PVGeg8yfKM8S61uU5xQ9UZ6t1rcozxzzJ8qz0uepUZ4TjE+U5zHjE+V5Rk+U50PPP1GeY82fKM/r7j9RngvsD6E8p+mJ8lzteRnKc6HxifK8bD2E8jzo"
    "eovyPGl/COU52/yJ8rxvvw/ludX8ifJ8ZXyiPJ/oifJ8oSfKs9DzMpTnGushlOdo4xPlucX4RHm+8fP7UJ4z7fehPO+5X0F5jrAeQnneMj5RnsXmT5TnBvcrKM/1"
    "eqI8G30eDOV5TU+U5x3rW5TnUutblGepnijPOXqiPBfpifKscP+J8pxlfKI8G/z7FZTnaT0ZnrF4YSK8t+g/vvvNp6h4PW+8ojwPGJ8oz+E+f4LyvOp5C8ozYnyi"
    "PPvpifI8Z32L8qzTE+WZ63rL8PwFQIyQ7Q=="
)
