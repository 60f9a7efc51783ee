# Copyright The authors of ovstool
# SPDX-License-Identifier: Apache-2.0
"""The part of the module facts that runs on the controller."""

from __future__ import annotations

from ansible_collections.ovstool.ovs.plugins.module_utils.task import FACTS_OPTIONS
from ansible_collections.ovstool.ovs.plugins.plugin_utils.reaching import OvstoolAction


class ActionModule(OvstoolAction):
    """Reads the switch of the host."""

    module = "ovstool.ovs.facts"
    options_of = FACTS_OPTIONS

    def job(self, options, task_vars):
        return {"kind": "facts", "bridges": options["bridges"], "flows": options["flows"]}
