#!/usr/bin/python
# Copyright The authors of ovstool
# SPDX-License-Identifier: Apache-2.0
"""The part of the module facts that runs on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: facts
short_description: Read an Open vSwitch, its configuration and the state of its ports
description:
  - Returns the configuration of the switch of the host as a document, the state of its ports, and the versions. It changes nothing.
options:
  bridges:
    description:
      - Read only these bridges.
    type: list
    elements: str
    default: []
  flows:
    description:
      - Return the OpenFlow flows of each bridge too, in the document.
    type: bool
    default: false
extends_documentation_fragment:
  - ovstool.ovs.reaching
attributes:
  diff_mode:
    support: none
seealso:
  - module: ovstool.ovs.document
"""

EXAMPLES = r"""
- name: Read the switch
  ovstool.ovs.facts:

- name: Stop if a port is in error
  ansible.builtin.assert:
    that: ansible_facts.ovs.ports.values() | selectattr('error') | length == 0

- name: Keep the document of each switch on the controller
  ansible.builtin.copy:
    content: "{{ ansible_facts.ovs.document | to_nice_yaml }}"
    dest: "backup/{{ inventory_hostname }}.yaml"
    mode: "0644"
  delegate_to: localhost
"""

RETURN = r"""
ansible_facts:
  description: What the switch is.
  returned: success
  type: dict
  contains:
    ovs:
      description: All of it, below one name.
      type: dict
      contains:
        version:
          description: Version of Open vSwitch; null if it does not tell.
          type: str
          sample: 3.1.0
        ovstool_version:
          description: Version of ovstool.
          type: str
          sample: 0.14.1
        document:
          description: The configuration of the bridges and their ports, as C(ovstool export) writes it and M(ovstool.ovs.document) takes it.
          type: dict
          sample: {bridges: {br0: {ports: {eth1: {tag: 10}}}}}
        ports:
          description: The ports by name, each with the keys of C(ovstool port list), among them C(bridge), C(ofport), C(link_state) and C(error).
          type: dict
          sample: {eth1: {bridge: br0, port: eth1, ofport: 1, link_state: up, error: null}}
msg:
  description: What ovstool says of the failure.
  returned: failure
  type: str
rc:
  description: Exit code of ovstool; ovstool(1) lists them.
  returned: failure of ovstool
  type: int
"""

from ansible_collections.ovstool.ovs.plugins.module_utils.on_host import main
from ansible_collections.ovstool.ovs.plugins.module_utils.task import FACTS_OPTIONS

if __name__ == "__main__":
    main(FACTS_OPTIONS)
