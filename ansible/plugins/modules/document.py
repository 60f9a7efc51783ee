#!/usr/bin/python
# Copyright The authors of ovstool
# SPDX-License-Identifier: Apache-2.0
"""The part of the module document that runs on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: document
short_description: Make an Open vSwitch what a document says
description:
  - Applies a document of ovstool to the switch of the host, as C(ovstool apply) does. Everything in the database changes in one transaction
    or nothing does, and the task returns when C(ovs-vswitchd) has applied it.
  - Only what the document names is changed. What a document with a name has changed before and no longer names is removed.
  - When the task is interrupted, the database is as before or has the whole change.
options:
  document:
    description:
      - The document itself, as a mapping, or as a text in YAML such as a template gives.
      - Of a mapping, the names and values are what Ansible makes of them. It fills in templates in values and not in names, and reads V(on),
        V(off), V(yes) and V(no) as truth values and V(010) as 8, so such names and values need quotes. A text or a file is read by
        ovstool, which takes it as typed.
      - Such a document has a name only if it says so itself (C(name)). Without a name it owns nothing, so what is removed from it stays on
        the switch.
      - Exactly one of O(document) and O(src) is needed.
    type: raw
  src:
    description:
      - A file on the controller with the document, in YAML or JSON. A relative path is looked up as for M(ansible.builtin.copy), also
        in the directory C(files) of a role or playbook.
      - The name of the document is the one that it gives itself, or that of the file without C(.yaml), C(.yml) or C(.json).
    type: path
  parameters:
    description:
      - Values of C(${NAME}) in the document. A name that is not here is a variable of the host, as with C(ovstool --inventory), so the
        same document and the same inventory work with ovstool alone.
      - C(${host}) is the name of the host in the inventory.
    type: dict
    default: {}
  prune:
    description:
      - Remove the ports of the document's bridges that the document does not have.
    type: bool
    default: false
  take_over:
    description:
      - Change fields that another document owns, and own them from now on.
    type: bool
    default: false
  confirm_within:
    description:
      - Let the host undo the change after so many seconds, unless Ansible reaches it by then over a new connection.
      - The task makes the change, connects again, and confirms it. If the host cannot be reached, the task fails and the host undoes the
        change.
      - It is not for a document with flows, which no database has.
    type: int
extends_documentation_fragment:
  - ovstool.ovs.reaching
attributes:
  diff_mode:
    support: full
seealso:
  - module: ovstool.ovs.facts
notes:
  - ovstool-document(7) describes the fields of a document, and C(ovstool export) writes the document of a switch.
"""

EXAMPLES = r"""
- name: Apply a file, which has the same form for ovstool on the command line
  ovstool.ovs.document:
    src: leaf.yaml

- name: Shape two ports, over SSH and without anything of ovstool on the host
  ovstool.ovs.document:
    via: controller
    document:
      name: shaping
      bridges:
        br0:
          ports:
            eth1:
              qos: {max_rate: 200mbit, queues: {0: {min: 100mbit}, 1: {min: 50mbit, max: 50mbit}}}
            eth2:
              police: {rate: 10mbit}

- name: Use variables of the inventory, one of them under another name
  ovstool.ovs.document:
    document:
      name: vlans
      bridges:
        br0:
          ports:
            ${uplink}: {tag: "${vlan}"}
    parameters:
      vlan: "{{ tenant.vlan }}"

- name: Apply a template
  ovstool.ovs.document:
    document: "{{ lookup('ansible.builtin.template', 'leaf.yaml.j2') }}"

- name: Change the way to the host itself, and go back if it is lost
  ovstool.ovs.document:
    src: uplink.yaml
    confirm_within: 60
"""

RETURN = r"""
changes:
  description: What differs between the switch and the document, one entry for each field, before the change.
  returned: success
  type: list
  elements: dict
  contains:
    object:
      description: Name of the bridge or the port.
      type: str
    field:
      description: >-
        Path of the field. It is C(bridge) where the object itself is missing or is removed, and begins with C(ovstool-document-) where
        only what documents own changes.
      type: str
    from:
      description: What the switch has; null for nothing.
      type: raw
    to:
      description: What the document has; null for nothing.
      type: raw
  sample:
    - {object: eth1, field: tag, from: null, to: 10}
objects:
  description: The bridges and ports of the document, and others that changed, with what happened to each.
  returned: success, but not in check mode
  type: list
  elements: dict
  contains:
    object:
      description: Name of the bridge or the port.
      type: str
    change:
      description: One of V(created), V(updated), V(deleted) and V(unchanged).
      type: str
  sample:
    - {object: br0, change: unchanged}
    - {object: eth1, change: updated}
confirm_id:
  description: ID of the change that was confirmed.
  returned: with O(confirm_within), if something changed
  type: str
  sample: 3f9c01d2
msg:
  description: What ovstool says of the failure.
  returned: failure
  type: str
  sample: "ovstool: leaf.yaml:6:14: 9999: not a whole number from 0 to 4095"
rc:
  description: Exit code of ovstool; ovstool(1) lists them.
  returned: failure of ovstool
  type: int
  sample: 2
"""

from ansible_collections.ovstool.ovs.plugins.module_utils.on_host import main
from ansible_collections.ovstool.ovs.plugins.module_utils.task import DOCUMENT_OPTIONS

if __name__ == "__main__":
    main(DOCUMENT_OPTIONS)
