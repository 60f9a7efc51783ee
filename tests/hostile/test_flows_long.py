"""Very long output of a host is read in linear time, and accepted or refused, whatever it contains."""

import signal
import subprocess
import sys

import pytest

LIMIT_S = 4  # CPU seconds, imports included; quadratic time at these lengths takes minutes
HEAD = 'Flow: ip\\n\\nbridge(\\"br0\\")\\n'
TEXTS = {
    "a flow without actions": "list(text.flows([' cookie=0x0, duration=1s, table=0, ' + 'a=b, ' * 100_000]))",
    "a flow of quotes": "list(text.flows([' cookie=0x0, duration=1s, table=0, ' + '\\\"\\\\\\\\' * 200_000 + 'actions=drop']))",
    "a line in pieces": "list(text.lines([b'x'] * 900_000))",
    "numbers without end": "list(text.flows([' cookie=0x0, duration=1s, table=' + '9' * 9000 + ', priority=5 actions=drop']))",
    "a match of words": "lexer.words('a=(,' * 100_000)",
    "a match of parentheses": "lexer.words('a=' + '(' * 400_000)",
    "actions of groups": "queue_selection.groups('group:1,' * 100_000)",
    "actions that select queues": "queue_selection.of_actions('set_queue:1,output:2,' * 50_000)",
    "userspace": f"trace.parse('{HEAD}Datapath actions: ' + 'userspace(' * 100_000)",
    "clones in clones": f"trace.parse('{HEAD}Datapath actions: ' + 'clone(' * 100_000 + 'eth1')",
    "samples in samples": f"trace.parse('{HEAD}Datapath actions: ' + 'sample(userspace(),' * 60_000)",
    "queues and floods": f"trace.parse('{HEAD} 0. priority 0\\n' + '    set_queue:1\\n    NORMAL\\n    set_queue:2\\n    NORMAL\\n' * 20_000 + "
    "'Datapath actions: ' + ','.join(map(str, range(50_000))))",
    "steps in steps": f"trace.parse('{HEAD}' + ''.join(' ' * (i % 500) + '1. priority 1\\n' for i in range(3000)) + 'Datapath actions: drop')",
    "bridges in bridges": f"trace.parse('{HEAD}' + ''.join(' ' * (i % 500) + 'bridge(\\\"b\\\")\\n' + ' ' * (i % 500) + ' 1. priority 1\\n' "
    "for i in range(3000)) + 'Datapath actions: drop')",
    "headers of tunnels": f"trace.parse('{HEAD}Datapath actions: ' + 'header(a(),ipv4(' * 60_000 + 'tunnel(' * 60_000 + 'dst' * 60_000)",
    "numbers for names": "trace.parse('Datapath actions: ' + 'clone(' * 50_000 + '1,' * 50_000, trace.PortNames('b', {}, {'1': 'eth1'}))",
    "shown ports": "trace.port_names('b', '    a 1 1' * 60_000 + '/2: (', '  port 1: a' * 60_000)",
    "a qdisc of defaults": "datapath.qdiscs_shown('qdisc htb 1: root' + ' default 1' * 100_000, ['eth1'], 'eth1')",
    "police without an end": "datapath.policers_shown('police 0x1 rate 1bit burst 1b  action ' * 60_000)",
    "classes on a line": "datapath.classes_shown('class htb 1:1 ' * 100_000)",
    "a mask beyond its address": "matches.covers(matches.fields('nw_dst=1.2.3.4/99'), matches.fields('nw_dst=1.2.3.4/' + '9' * 9000))",
}


@pytest.mark.parametrize("what", TEXTS)
def test_a_long_text(what):
    code = f"""
import signal
signal.setitimer(signal.ITIMER_VIRTUAL, {LIMIT_S})
from ovstool.errors import Refused
from ovstool.openflow.syntax import lexer, match as matches, queue_selection, text, trace
from ovstool.switch.checks import datapath
try:
    {TEXTS[what]}
except Refused:
    pass
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, "took too long" if done.returncode == -signal.SIGVTALRM else done.stderr[-500:]
