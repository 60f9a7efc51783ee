# Copyright The authors of ovstool
# SPDX-License-Identifier: Apache-2.0
"""The options with which both modules reach a switch."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  via:
    description:
      - Where ovstool runs.
      - With V(host) it runs on the host itself, as any other module does. Whatever connection and privilege escalation Ansible uses for
        the host works. It needs Python and ovstool there.
      - With V(controller) it runs where Ansible runs, and reaches the host over SSH by itself. The host needs Open vSwitch and an SSH
        server, and neither Python nor ovstool. Host, port, user and private key are those of Ansible's connection. Other settings come
        from C(~/.ssh/config); C(ansible_ssh_common_args) and passwords are not used. The host key must be known. With C(become) it uses
        C(sudo -n), which never asks for a password.
      - There is no automatic choice, because the same playbook would then work in one way today and in another tomorrow. To choose for
        all tasks, use C(module_defaults) with the group C(ovstool.ovs.all).
    type: str
    choices: [host, controller]
    default: host
  executable:
    description:
      - The program ovstool, as a path on the machine where it runs, or as a name to look up in E(PATH).
      - With O(via=controller) the directory of Ansible's Python is searched first, so ovstool may be in the same virtual environment.
    type: str
    default: ovstool
  db:
    description:
      - The database, as for C(ovstool --db), such as V(unix:/run/openvswitch/db.sock).
    type: str
  timeout:
    description:
      - Seconds for each call of ovstool, as for C(ovstool --timeout); V(0) means no limit. Without it, 30 seconds.
    type: int
requirements:
  - ovstool of the version of the collection or newer, on the host or on the controller (see O(via))
attributes:
  check_mode:
    support: full
    description: Runs in check mode, and tells what would change, without changing anything.
  diff_mode:
    description: Shows what changes, or would change in check mode.
author:
  - The authors of ovstool (@ovstool)
"""
