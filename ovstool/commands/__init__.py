"""The words: one module for each noun, from argv to a call in ``ovstool.switch``.

The tables name every command, so that starting one imports its own module and no other.
"""

NOUNS = {
    "show": "the switch as a tree",
    "bridge": "list, show, add, set and delete bridges",
    "port": "list, show, add, set and delete ports: VLANs, bonds, patch and tunnel ports",
    "stats": "counters of ports",
    "police": "limit what a port receives (ingress policing)",
    "qos": "shape what a port sends: rates and queues (egress QoS)",
    "sflow": "export sFlow samples to a collector",
    "sandbox": "a private switch to try things on",
    "shell": "an interactive shell",
    "complete": "print the completion script for bash",
    "help": "help for a command",
    "version": "the version of ovstool",
}

COMMANDS = {
    "show": "show:Show",
    "bridge list": "bridge:BridgeList",
    "bridge show": "bridge:BridgeShow",
    "bridge add": "bridge:BridgeAdd",
    "bridge set": "bridge:BridgeSet",
    "bridge del": "bridge:BridgeDel",
    "port list": "port:PortList",
    "port show": "port:PortShow",
    "port add": "port:PortAdd",
    "port set": "port:PortSet",
    "port del": "port:PortDel",
    "stats": "stats:Stats",
    "police set": "police:PoliceSet",
    "police clear": "police:PoliceClear",
    "police list": "police:PoliceList",
    "qos set": "qos:QosSet",
    "qos clear": "qos:QosClear",
    "qos list": "qos:QosList",
    "qos show": "qos:QosShow",
    "qos gc": "qos:QosGc",
    "sflow enable": "sflow:SflowEnable",
    "sflow disable": "sflow:SflowDisable",
    "sflow list": "sflow:SflowList",
    "sandbox start": "sandbox:SandboxStart",
    "sandbox stop": "sandbox:SandboxStop",
    "sandbox run": "sandbox:SandboxRun",
    "sandbox shell": "sandbox:SandboxShell",
    "shell": "session:Shell",
    "complete": "session:Complete",
    "help": "session:Help",
    "version": "session:Version",
}
