# Copyright The authors of ovstool
# SPDX-License-Identifier: Apache-2.0
"""What the actions have in common: where ovstool runs, and how it reaches the switch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile

from ansible import constants as C
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase
from ansible_collections.ovstool.ovs.plugins.module_utils import task
from ansible_collections.ovstool.ovs.plugins.plugin_utils import inline

_INVENTORY = "hostvars"  # the file with the variables of the host, and how to reach it
_OVER_SSH = ("ssh", "paramiko")
_UNUSED = {"ssh_common_args": "ansible_ssh_common_args", "ssh_extra_args": "ansible_ssh_extra_args", "password": "ansible_password"}
_UNREACHABLE = 5  # an exit code of ovstool


class OvstoolAction(ActionBase):
    """An action that runs ovstool, here or on the host."""

    module = ""  # its full name
    options_of = {}  # the argument spec

    def job(self, options, task_vars):
        """What is to be done (see ``task.perform``), with ``files`` and ``variables`` of the host."""
        raise NotImplementedError

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, options = self.validate_argument_spec(argument_spec=self.options_of)
        job = {"files": {}, "variables": {}, **self.job(options, task_vars)}
        job["host"] = str(self._task.delegate_to or task_vars["inventory_hostname"])
        is_here = options["via"] == "controller"
        reached = self._ssh() if is_here and not self._is_local() else {"ansible_connection": "local"}
        entry = {"all": {"hosts": {job["host"]: {**job.pop("variables"), **reached}}}}
        inventory = _INVENTORY if _INVENTORY not in job["files"] else "inventory"  # a document may have any name
        job["files"][inventory] = inline.written(entry)[0]
        job["argv"] = self._argv(options, inventory, is_here)
        result = self._performed(job, is_here, task_vars)
        if result.get("confirm_id") and not result.get("failed"):
            self._confirm(job, result, is_here, task_vars)
        unused = [name for option, name in _UNUSED.items() if is_here and self._option(option)]
        if unused and result.get("rc") == _UNREACHABLE:
            result["msg"] += f"\nvia: controller does not use {' and '.join(unused)}; try: ~/.ssh/config, or via: host"
        result["invocation"] = {"module_args": self._task.args}
        return result

    def _argv(self, options, inventory, is_here):
        """The program and the options of all commands."""
        words = [options["executable"], "--inventory", inventory, "-H", "@all"]
        words += [word for name in ("db", "timeout") if options[name] is not None for word in ("--" + name, str(options[name]))]
        become = getattr(self._connection, "become", None) if is_here else None
        if become is None:
            return words
        user = become.get_option("become_user") or "root"
        if become.name.rpartition(".")[2] != "sudo" or user != "root":
            raise AnsibleActionFail("via: controller: ovstool becomes root by sudo only; try: via: host")
        if self._is_local():
            return words if os.geteuid() == 0 else ["sudo", "-n", *words]
        return words if self._option("remote_user") == "root" else [*words, "--sudo"]

    # --- where it runs

    def _performed(self, job, is_here, task_vars):
        if not is_here:
            return self._execute_module(module_name=self.module, module_args={"_job": job}, task_vars=task_vars)
        folder = tempfile.mkdtemp(dir=C.DEFAULT_LOCAL_TMP)
        try:
            task.write_files(folder, job["files"])
            program = task.Ovstool(self._runner(folder), job["argv"])
            return task.perform(job, program, self._task.check_mode, self._task.diff)
        except task.Failed as error:
            return error.result()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _runner(self, folder):
        environ = dict(os.environ)
        for given in self._task.environment or ():
            environ.update({name: str(value) for name, value in (self._templar.template(given) or {}).items()})
        path = os.pathsep.join([os.path.dirname(sys.executable), environ.get("PATH", os.defpath)])  # beside Ansible, as in a virtualenv

        def run(argv):
            program = shutil.which(os.path.expanduser(argv[0]), path=path)
            if program is None:
                raise task.Failed([f"ovstool: {argv[0]}: not found on the controller; try: pip install ovstool, or executable: PATH"])
            done = subprocess.run(
                [program, *argv[1:]],
                check=False,
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
            )
            return done.returncode, done.stdout, done.stderr

        return run

    def _confirm(self, job, result, is_here, task_vars):
        """Keep a change, over a new connection: the host can still be reached. If it cannot, the host undoes the change."""
        if not is_here and type(self._connection).reset is not ConnectionBase.reset:
            self._connection.reset()
        wanted = {**job, "kind": "confirm", "id": result["confirm_id"]}
        try:
            confirmed = self._performed(wanted, is_here, task_vars)
        except AnsibleConnectionFailure as error:
            raise AnsibleConnectionFailure(
                f"{error}; the change was not confirmed, so the host undoes it"
            ) from None  # or Ansible shows only the cause
        if confirmed.get("failed"):
            result.update(failed=True, msg=f"{confirmed['msg']}; the change was not confirmed, so the host undoes it")

    # --- how the host is reached from here

    def _is_local(self):
        return self._connection.transport == "local"

    def _ssh(self):
        """The variables with which ovstool reaches the host as Ansible does."""
        if self._connection.transport not in _OVER_SSH:
            why = f"ovstool reaches hosts over SSH, and this one has the connection {self._connection.transport}"
            raise AnsibleActionFail(f"via: controller: {why}; try: via: host")
        names = {"port": "port", "user": "remote_user", "private_key_file": "private_key_file"}
        found = {"ansible_" + name: self._option(option) for name, option in names.items()}
        found["ansible_host"] = self._option("host") or self._option("remote_addr")
        return {name: str(value) for name, value in found.items() if value}

    def _option(self, name):
        try:
            return self._connection.get_option(name)
        except KeyError:
            return None
