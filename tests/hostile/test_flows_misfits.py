"""Values that ovs-ofctl would truncate, wrap around or misread: what is typed is installed exactly, or it is refused.

The reference is ovs-ofctl: the result for a value as typed (``dl_vlan=5000``) must equal the result for the intended number in a form that
cannot be truncated (``dl_vlan=0x388``), or ovstool must refuse it. And ovstool must not refuse what ovs-ofctl reads as intended. The values
are those of flow_values.py.
"""

import io
import re
import subprocess

import pytest
from flow_values import SAID, Case, in_actions, in_matches, in_set_field, of_protocols

from ovstool.openflow.accepts import actions
from ovstool.openflow.syntax import lexer
from ovstool.shell import App

VERSIONS = "OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15"
_AT_ONCE = 60  # flows per call; ovs-ofctl must read all of them again when it refuses one


@pytest.fixture(scope="module")
def ofctl(tmp_path_factory):
    """How ovs-ofctl normalizes flows, None for those that it refuses; it stops at each of these, so there should be few."""
    path = tmp_path_factory.mktemp("misfits") / "flows"
    argv = ["ovs-ofctl", "-vconsole:off", "-O", VERSIONS, "-F", "OXM-OpenFlow15", "parse-flows", str(path)]

    def run(flows: list[str]) -> dict[str, str | None]:
        made: dict[str, str | None] = {}
        todo = list(dict.fromkeys(flows))
        while todo:
            path.write_text("".join(f"{flow}\n" for flow in todo[:_AT_ONCE]))
            done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
            if done.returncode:
                bad = int(re.search(r":(\d+): ", done.stderr)[1]) - 1  # type: ignore[index]
                made[todo.pop(bad)] = None
                continue
            lines = re.findall(r"^OFPT_FLOW_MOD .*?\(xid=\w+\): (.*)", done.stdout, re.MULTILINE)
            made.update(zip(todo[:_AT_ONCE], (None if "***" in line else line for line in lines), strict=True))
            todo = todo[_AT_ONCE:]
        return made

    return run


def judged(cases: list[Case], ofctl) -> tuple[list[str], list[str]]:
    """Flows that are accepted although ovs-ofctl misreads them, and flows that are refused although it reads them as intended."""
    refused = {case: actions.misfit_of_flow(lexer.without_comment(case.flow.format(case.typed))) for case in cases}
    asked = [
        case.flow.format(text) for case in cases if case.meant or not refused[case] for text in (case.typed, case.meant) if text is not None
    ]
    made = ofctl(asked)
    misfits, wrongs = [], []
    for case in cases:
        typed = case.flow.format(case.typed)
        as_meant = made[case.flow.format(case.meant)] if case.meant else None
        if not refused[case] and made[typed] is not None and made[typed] != as_meant:
            misfits.append(f"{typed}: {made[typed]}, not {as_meant}")
        if refused[case] and case.meant and made[typed] is not None and made[typed] == as_meant:
            wrongs.append(f"{typed}: {refused[case]}")
    return misfits, wrongs


@pytest.mark.parametrize(("made", "least"), [(in_matches, 1000), (in_set_field, 1000), (in_actions, 1000), (of_protocols, 150)])
def test_exactly_what_ovs_ofctl_would_misread_is_refused(made, least, ofctl):
    cases = list(dict.fromkeys(made()))
    assert len(cases) > least
    assert judged(cases, ofctl) == ([], [])


def dump(switch) -> list[str]:
    socket = f"unix:{switch.box.directory}/br0.mgmt"
    return [
        line.strip()
        for line in switch.tool("ovs-ofctl", "-O", VERSIONS, "--no-stats", "dump-flows", socket).splitlines()
        if "actions" in line
    ]


@pytest.fixture(scope="module")
def refuses(running_switch):
    """Assert exit code 2 and one line with the error, and that no flow changes."""
    with running_switch("dummy") as switch:
        before = dump(switch)

        def refused(words_: list[str], said: str) -> None:
            out, err = io.StringIO(), io.StringIO()
            assert App(out, err).run(["--db", f"unix:{switch.box.directory}/db.sock", *words_]) == 2, (words_, out.getvalue())
            assert err.getvalue().startswith("ovstool: ") and said in err.getvalue() and err.getvalue().count("\n") == 1, err.getvalue()
            assert dump(switch) == before and out.getvalue() == ""

        yield refused


def test_flows_that_do_not_fit_are_not_added(refuses, tmp_path):
    path = tmp_path / "flows"
    for flow, said in SAID.items():
        refuses(["flow", "add", "br0", flow], f"{said}")
        path.write_text(f"# some\nactions=NORMAL\n{flow}\n")
        refuses(["flow", "replace", "br0", "--file", str(path)], f"{path}:3: ")
    for verb in ("add", "diff"):
        refuses(["flow", verb, "br0", "--file", str(path)], f"{path}:3: dl_vlan=5000 does not fit: 0 to 4095")


@pytest.mark.parametrize(
    ("words_", "said"),
    [
        (["flow", "list", "br0", "tcp,tp_dst=70000"], "tp_dst=70000 does not fit: 0 to 65535"),
        (["flow", "del", "br0", "ipv6,ipv6_dst=fe80::/4294967360"], "has a prefix that does not fit: 0 to 128"),
        (["flow", "del", "br0", "table=0,reg0=0x/0x"], "reg0=0x/0x does not fit"),
        (["flow", "del", "br0", "tcp,tcp_flags=2/2junk"], "has a mask that does not fit: 0 to 0xfff"),
        (["flow", "top", "br0", "vlan_vid=5/0x2fff", "--interval", "0.1"], "has a mask that does not fit: 0 to 0x1fff"),
        (["flow", "trace", "br0", "in_port=eth1,dl_vlan=5000"], "dl_vlan=5000 does not fit: 0 to 4095"),
        (["flow", "trace", "br0", "in_port=eth1,ip,nw_src=10.0.0.300"], "10.0.0.300 is not an address"),
        (["qos", "unsteer", "eth1", "--match", "ip,nw_tos=3"], "nw_tos=3 does not fit: 0 to 252 in steps of 4"),
    ],
)
def test_matches_that_do_not_fit_are_not_sent(refuses, words_, said):
    refuses(words_, said)
