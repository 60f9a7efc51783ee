"""A callback of Ansible that prints the result of each task on each host as a line of JSON."""

import json

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: results
type: stdout
short_description: results as JSON Lines
description: The result of each task on each host.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "results"

    def _tell(self, result, **more):
        name = result._task.get_name().rpartition(" : ")[2]
        print(json.dumps({"host": result._host.get_name(), "task": name, **result._result, **more}, default=str), flush=True)

    def v2_runner_on_ok(self, result):
        self._tell(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._tell(result, failed=True)

    def v2_runner_on_unreachable(self, result):
        self._tell(result, unreachable=True)
