"""Tab completion: ``ovstool complete --line SHELL BEFORE AFTER [BREAKS]``, which the shells' scripts call.

The scripts contain no knowledge: they pass the text on either side of the cursor, and insert the output. Its first line says how: ``words``
means that complete words follow; ``open`` that they may continue without a space; ``files PREFIX`` that the shell completes file names
after that prefix. For speed, neither cliff nor argparse nor the commands are imported, and the modules that query a switch only if needed.
"""

import os
from collections.abc import Mapping, Sequence

from ovstool.completion import shell_line
from ovstool.completion.candidates import FILES, Ask, any_is_open, candidates
from ovstool.completion.command_line import COMMANDS
from ovstool.completion.grammar import Place, place


def main(words: Sequence[str]) -> int:
    """Print the candidates at the cursor; nothing for invalid arguments. Returns the exit code."""
    if not 3 <= len(words) <= 4 or words[0] not in shell_line.SHELLS:
        return 2
    shell, before, after, breaks = (*words, shell_line.BREAKS)[:4]
    text = "\n".join(answer(shell, before, after, breaks)) + "\n"
    data = memoryview(text.encode(errors="ignore"))
    while data:
        data = data[os.write(1, data) :]
    return 0


def answer(shell: str, before: str, after: str, breaks: str = shell_line.BREAKS, ask: Ask | None = None) -> list[str]:
    """The lines for the script of a shell; ``ask`` replaces queries to the switch that the line refers to."""
    line = shell_line.read(shell, before, after, breaks)
    words = [word.text for word in line.before[1:]]
    if line.current.is_file or not line.before:
        return [f"{FILES} "]
    at = place(COMMANDS, words, line.current.text, [word.text for word in line.after])
    if at.values == FILES:
        return [f"{FILES} {at.head}"]
    is_known = all(word.known for word in (*line.before, *line.after))
    found = candidates(COMMANDS, at, ask or _asking(at, is_known, line.environ)) if line.current.known else {}
    texts = shell_line.written(shell, list(found), line.current)
    if shell != "bash" and any(found.values()):
        texts = [f"{text}\t{about}" if text and about else text for text, about in zip(texts, found.values(), strict=True)]
    return ["open" if any_is_open(found) else "words", *filter(None, texts)]


def _asking(at: Place, is_known: bool, environ: Mapping[str, str]) -> Ask:
    """Queries the switch that the line refers to, with the variables that it sets, if all its words are known."""

    def ask(kind: str, *of: str) -> Sequence[str]:
        if not is_known:
            return ()
        os.environ.update(environ)
        from ovstool import lazy_imports

        with lazy_imports.in_force():
            from ovstool.completion import live

            return live.ask(at.given, kind, *of)

    return ask
