# Copyright The authors of ovstool
# SPDX-License-Identifier: Apache-2.0
"""The part of a task that runs on the host, which is the same for all modules."""

from __future__ import annotations

import os
import shutil
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.ovstool.ovs.plugins.module_utils import task


def main(options):
    """Do the job that the action has sent."""
    # The log of the host would have the whole document, and variables that may be secret.
    module = AnsibleModule(argument_spec={**options, "_job": {"type": "dict"}}, supports_check_mode=True, no_log=True)
    job = module.params["_job"]
    if job is None:
        module.fail_json(msg="this module works through its action plugin only; try: its full name, as in ovstool.ovs.document")
    folder = tempfile.mkdtemp(dir=module.tmpdir)
    try:
        task.write_files(folder, job["files"])
        result = task.perform(job, task.Ovstool(_runner(module, folder), job["argv"]), module.check_mode, module._diff)
    except task.Failed as error:
        result = error.result()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for warning in result.pop("warnings", ()):
        module.warn(warning)
    result["invocation"] = {}  # or the job is sent back; the action has what the user wrote
    (module.fail_json if result.pop("failed", False) else module.exit_json)(**result)


def _runner(module, folder):
    def run(argv):
        program = module.get_bin_path(os.path.expanduser(argv[0]))
        if program is None:
            hint = "pipx install ovstool there, executable: PATH, or via: controller"
            raise task.Failed([f"ovstool: {argv[0]}: not found on the host; try: {hint}"])
        return module.run_command([program, *argv[1:]], cwd=folder)

    return run
