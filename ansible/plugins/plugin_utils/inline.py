# Copyright The authors of ovstool
# SPDX-License-Identifier: Apache-2.0
"""A document that a playbook has as YAML: written as text with each value on a line of its own, so that errors can name it."""

from __future__ import annotations

import datetime
import json
import re

_UNPRINTABLE = re.compile("[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")  # which YAML does not take as they are
_PLAIN = re.compile(r"[\w:$@/{}-]+")
_PLACE = re.compile(r"(?:(?<=ovstool: )|(?<=: ))the document:(\d+):\d+: ")
NAME = "the document"  # as a file; with its space it is no name of a document, which then owns nothing


class Unusable(Exception):
    """What no document can have."""


def is_text(value):
    """Whether a value is a text. One from ``!vault`` is of a class of its own until ansible-core 2.18; str() decrypts it."""
    return isinstance(value, str) or getattr(value, "__ENCRYPTED__", False)


def quoted(text):
    """A text as both JSON and YAML write it."""
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match.group()):04x}", json.dumps(str(text), ensure_ascii=False))


def written(document):
    """The text of a document, and the path of the value in each line. Raises Unusable."""
    lines = list(_lines(document, 0, ()))
    return "".join(f"{line}\n" for line, _path in lines), [_shown(path) for _line, path in lines]


def with_paths(text, paths):
    """Errors of ovstool that name the value in place of the line, which nobody sees."""
    return _PLACE.sub(lambda match: f"{paths[int(match.group(1)) - 1] or 'document'}: ", text)


def _shown(path):
    return ".".join(part if _PLAIN.fullmatch(part) else json.dumps(part) for part in path)


def _lines(value, depth, path):
    indent = "  " * depth
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            name = _key(key, path)
            yield from _entry(f"{indent}{quoted(name)}:", inner, depth, (*path, name))
    elif isinstance(value, (list, tuple)) and value:
        for number, inner in enumerate(value):
            yield from _entry(f"{indent}-", inner, depth, (*path, str(number)))
    else:
        yield indent + _scalar(value, path), path


def _entry(head, value, depth, path):
    if isinstance(value, (dict, list, tuple)) and value:
        yield head, path
        yield from _lines(value, depth + 1, path)
    else:
        yield f"{head} {_scalar(value, path)}", path


def _key(key, path):
    if isinstance(key, str):
        return str(key)
    if isinstance(key, int) and not isinstance(key, bool):
        return str(int(key))
    raise _unusable((*path, json.dumps(key, default=str)), "name", key)


def _scalar(value, path):
    if is_text(value):
        return quoted(value)
    if value is None or isinstance(value, (bool, int, float, dict, list, tuple)):
        return json.dumps(value)
    raise _unusable(path, "value", value)


def _unusable(path, what, value):
    kinds = (
        (bool, "a truth value, as Ansible reads on, off, yes and no"),
        (float, "a fraction"),
        (datetime.date, "a date"),
        (type(None), "null"),
    )
    kind = next((words for kind, words in kinds if isinstance(value, kind)), f"a {type(value).__name__}")
    return Unusable(f"{_shown(path)}: the {what} is {kind}; try: quotes")
