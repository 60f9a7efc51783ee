# Copyright The authors of ovstool
# SPDX-License-Identifier: Apache-2.0
"""The part of the module document that runs on the controller: it reads the document, and finds the values of its parameters."""

from __future__ import annotations

import os
import re

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible_collections.ovstool.ovs.plugins.module_utils.task import DOCUMENT_OPTIONS
from ansible_collections.ovstool.ovs.plugins.plugin_utils import inline
from ansible_collections.ovstool.ovs.plugins.plugin_utils.reaching import OvstoolAction

_PARAMETER = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_HOST = "host"  # which ovstool knows itself


class ActionModule(OvstoolAction):
    """Applies a document to the switch of the host."""

    module = "ovstool.ovs.document"
    options_of = DOCUMENT_OPTIONS

    def run(self, tmp=None, task_vars=None):
        self._paths = None
        result = super().run(tmp, task_vars)
        if self._paths and result.get("failed") and "msg" in result:
            said = inline.with_paths(result["msg"], self._paths)
            if said != result["msg"]:
                result["msg"] = said
                result.pop("exception", None)  # ansible-core shows what it says before msg, and makes it of msg where there is none
        return result

    def job(self, options, task_vars):
        name, text = self._document(options)
        words = [
            f"./{name}" if name.startswith("-") else name,
            *(["--prune"] if options["prune"] else []),
            *(["--take-over"] if options["take_over"] else []),
        ]
        within = options["confirm_within"]
        return {
            "kind": "document",
            "title": name,
            "words": words,
            "words_of_apply": [] if within is None else ["--confirm-within", str(within)],
            "files": {name: text},
            "variables": self._variables(text, options["parameters"], task_vars),
        }

    def _document(self, options):
        """The name of the document's file, and its text."""
        given, src = options["document"], options["src"]
        if (given is None) == (src is None):
            raise AnsibleActionFail("one of document and src is needed, and not both")
        if src is not None:
            return self._file(src)
        if inline.is_text(given):
            return inline.NAME, str(given)
        if not isinstance(given, dict):
            raise AnsibleActionFail("document: neither a mapping nor a text")
        try:
            text, self._paths = inline.written(given)
        except inline.Unusable as error:
            raise AnsibleActionFail(f"document: {error}") from error
        return inline.NAME, text

    def _file(self, src):
        try:
            path = self._find_needle("files", src)
            real = self._loader.get_real_file(path)  # another one, if it is encrypted
            with open(real, encoding="utf-8") as file:
                text = file.read()
            self._loader.cleanup_tmp_file(real)
        except UnicodeDecodeError as error:
            raise AnsibleActionFail(f"src: {src}: not UTF-8: byte {error.start + 1}") from error
        except (AnsibleError, OSError) as error:
            raise AnsibleActionFail(f"src: {error}") from error
        return os.path.basename(path), text

    def _variables(self, text, parameters, task_vars):
        """The variables that the document names, and no others, as they may be secret."""
        names = {match.group(1) for match in _PARAMETER.finditer(text)} - {None, _HOST}
        found = {name: parameters[name] for name in names if name in parameters}
        found.update({name: self._templar.template(task_vars[name]) for name in names - found.keys() if name in task_vars})
        return {name: _plain(value) for name, value in found.items()}


def _plain(value):
    """A value as JSON has it. Of a list or a mapping only the kind matters, which no parameter can have."""
    if isinstance(value, (list, tuple, dict)):
        return {} if isinstance(value, dict) else []
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)
