# Copyright The authors of ovstool
# SPDX-License-Identifier: Apache-2.0
"""What a task does: it runs ovstool, on the controller or on the host, and makes its result of what ovstool prints.

It runs with whichever Python the host has, so it needs no more than the standard library of Python 3.7.
"""

from __future__ import annotations

import json
import os
import re

OLDEST = (0, 14, 0)  # the version of ovstool that is needed
_NOTE = "ovstool: note: "
_CONFIRM = re.compile(r"undone in \d+ s unless confirmed; try: .* ([0-9a-f]+)\Z")
_DIFFERS = 1  # the exit code of 'ovstool diff'
_AFTER_THE_WRITE = (5, 6, 7)  # exit codes with which a change may have been made all the same
_PLAIN = re.compile(r"[A-Za-z0-9_./:@-]+")

REACH_OPTIONS = {
    "via": {"type": "str", "choices": ["host", "controller"], "default": "host"},
    "executable": {"type": "str", "default": "ovstool"},
    "db": {"type": "str"},
    "timeout": {"type": "int"},
}
DOCUMENT_OPTIONS = {
    "document": {"type": "raw"},
    "src": {"type": "path"},
    "parameters": {"type": "dict", "default": {}},
    "prune": {"type": "bool", "default": False},
    "take_over": {"type": "bool", "default": False},
    "confirm_within": {"type": "int"},
    **REACH_OPTIONS,
}
FACTS_OPTIONS = {
    "bridges": {"type": "list", "elements": "str", "default": []},
    "flows": {"type": "bool", "default": False},
    **REACH_OPTIONS,
}


class Failed(Exception):
    """ovstool has failed: ``lines`` are its errors, ``notes`` its notes, ``rc`` is its exit code, None if it could not be run."""

    def __init__(self, lines, rc=None, notes=(), changed=False):
        super().__init__("\n".join(lines))
        self.lines = lines
        self.rc = rc
        self.notes = notes
        self.changed = changed

    def result(self):
        """What a task that fails returns."""
        code = {} if self.rc is None else {"rc": self.rc}
        notes = {"warnings": list(self.notes)} if self.notes else {}  # ansible-core 2.17 shows an empty list
        return {"failed": True, "changed": self.changed, "msg": str(self), **notes, **code}


class Ovstool:
    """Runs ovstool with the files of a job.

    ``argv`` is the program and the options of all commands; ``run`` takes an argv, and returns an exit code and the texts of stdout and
    stderr. ``notes`` are those of the command that ran last.
    """

    def __init__(self, run, argv):
        self._run = run
        self._argv = argv
        self.notes = []

    def text(self, words, codes=(0,)):
        """What a command prints. Raises Failed for another exit code than these."""
        rc, out, err = self._run([*self._argv, *words])
        lines = [line for line in err.split("\n") if line]
        self.notes = [line[len(_NOTE) :] for line in lines if line.startswith(_NOTE)]
        if rc not in codes:
            said = [line for line in lines if not line.startswith(_NOTE)]
            raise Failed(said or [f"ovstool: exit code {rc} without a word"], rc, self.notes)
        return out

    def json(self, words, codes=(0,)):
        out = self.text([*words, "-f", "json"], codes)
        try:
            return json.loads(out)
        except ValueError as error:
            raise Failed([f"{self._argv[0]}: not ovstool, or another version of it: it prints {out[:80]!r}"]) from error


def write_files(folder, files):
    """Write the files of a job, which nobody else may read."""
    for name, text in files.items():
        with open(os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text.encode("utf-8", "surrogatepass"))


def perform(job, ovstool, is_check, wants_diff):
    """The result of a job. Raises Failed, which says so if ovstool is too old."""
    try:
        return _performed(job, ovstool, is_check, wants_diff)
    except Failed as error:
        found = _version(ovstool) if error.rc is not None else OLDEST
        if found < OLDEST:
            shown, wanted = (".".join(map(str, version)) for version in (found, OLDEST))
            error.lines.append(f"ovstool: version {shown} is too old for this collection; try: {wanted} or newer")
        raise Failed(error.lines, error.rc, error.notes, error.changed) from error


def _version(ovstool):
    """The version of ovstool; that which is needed if it does not tell."""
    try:
        return tuple(map(int, ovstool.text(["version"]).split()[-1].split(".")))
    except (Failed, ValueError, IndexError):
        return OLDEST


def _performed(job, ovstool, is_check, wants_diff):
    if job["kind"] == "facts":
        return _facts(ovstool, job)
    if job["kind"] == "confirm":
        ovstool.text(["confirm", job["id"]])
        return {"changed": False}
    return _applied(ovstool, job, is_check, wants_diff)


def _applied(ovstool, job, is_check, wants_diff):
    """What applying a document changes. It is compared first, which says how."""
    changes = ovstool.json(["diff", *job["words"]], (0, _DIFFERS))
    result = {"changes": changes, "changed": bool(changes)}
    if wants_diff:
        result["diff"] = _diff(changes, job["host"], job["title"])
    notes = ovstool.notes
    words = ["apply", *job["words"], *job["words_of_apply"]]
    if is_check:
        ovstool.text([*words, "--dry-run"])  # refuses what diff does not look at, such as a mirror to a port that is not there
    else:
        try:
            result["objects"] = ovstool.json(words)
        except Failed as error:
            changed = error.rc in _AFTER_THE_WRITE and _has_changed(ovstool, job, changes)
            raise Failed(error.lines, error.rc, error.notes, changed) from error
        result["changed"] = any(row["change"] != "unchanged" for row in result["objects"])
        notes = ovstool.notes
    ids = [match.group(1) for match in map(_CONFIRM.search, notes) if match]
    if ids:
        result["confirm_id"] = ids[0]
    result["warnings"] = [note for note in notes if not _CONFIRM.search(note)]
    return result


def _has_changed(ovstool, job, changes):
    """Whether something of a change that has failed was made. What cannot be known counts as no."""
    try:
        return ovstool.json(["diff", *job["words"]], (0, _DIFFERS)) != changes
    except Failed:
        return False


def _diff(changes, host, title):
    """Both sides of the changes as text, for --diff."""
    before, after = [], []
    named = None
    for row in changes:
        if row["object"] != named:
            named = row["object"]
            before.append(f"{_shown(named)}:")
            after.append(f"{_shown(named)}:")
        for lines, value in ((before, row["from"]), (after, row["to"])):
            if value is not None:
                lines.append(f"  {_shown(row['field'])}: {_shown(value)}")
    sides = {"before": before, "after": after}
    return {"before_header": host, "after_header": title, **{side: "".join(f"{line}\n" for line in sides[side]) for side in sides}}


def _shown(value):
    """A value as YAML, on one line."""
    return value if isinstance(value, str) and _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)


def _facts(ovstool, job):
    notes = []
    document = ovstool.json(["export", *job["bridges"], *(["--flows"] if job["flows"] else [])])
    notes += ovstool.notes
    ports = ovstool.json(["port", "list", *job["bridges"]])
    found = {
        "version": ovstool.json(["show", *job["bridges"]])["ovs_version"],
        "ovstool_version": ovstool.text(["version"]).split()[-1],
        "document": document,
        "ports": {row["port"]: row for row in ports},
    }
    return {"changed": False, "ansible_facts": {"ovs": found}, "warnings": notes}
