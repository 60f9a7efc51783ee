"""What Tab offers in a shell: ``ovstool complete --line SHELL BEFORE AFTER [BREAKS]``, which the scripts of the shells call.

The scripts know nothing: they hand over the text on either side of the cursor, and insert what is printed. The first line of that
says what is to be done: ``words`` follow, each complete; ``open``: more may come behind them without a space; ``files`` whose names
begin with what is typed behind the second word of that line. This is on its way within the start of a command: neither cliff nor argparse
nor the commands are imported for it, nor what asks a switch unless one is asked.
"""

import os
from collections.abc import Iterator, Mapping, Sequence

from ovstool.completion import shell_line
from ovstool.completion.candidates import FILES, Ask, candidates, is_open
from ovstool.completion.command_line import COMMANDS
from ovstool.completion.grammar import Place, place


def main(words: Sequence[str]) -> int:
    """Print what may come at the cursor; nothing for what is no such question. Returns the exit code."""
    if not 3 <= len(words) <= 4 or words[0] not in shell_line.SHELLS:
        return 2
    shell, before, after, breaks = (*words, shell_line.BREAKS)[:4]
    text = "\n".join(answer(shell, before, after, breaks)) + "\n"
    data = memoryview(text.encode(errors="ignore"))
    while data:
        data = data[os.write(1, data) :]
    return 0


def answer(shell: str, before: str, after: str, breaks: str = shell_line.BREAKS, ask: Ask | None = None) -> Iterator[str]:
    """The lines for the script of a shell; ``ask`` answers instead of the switch that the line leads to."""
    line = shell_line.read(shell, before, after, breaks)
    words = [word.text for word in line.before[1:]]
    if line.current.is_file or not line.before:
        yield f"{FILES} "
        return
    at = place(COMMANDS, words, line.current.text, [word.text for word in line.after])
    if at.values == FILES:
        yield f"{FILES} {at.head}"
        return
    is_known = all(word.known for word in (*line.before, *line.after))
    found = candidates(COMMANDS, at, ask or _asking(at, is_known, line.environ)) if line.current.known else {}
    yield "open" if any(map(is_open, found)) else "words"
    for text, about in zip(shell_line.written(shell, list(found), line.current), found.values(), strict=True):
        if text:
            yield f"{text}\t{about}" if about and shell != "bash" else text


def _asking(at: Place, is_known: bool, environ: Mapping[str, str]) -> Ask:
    """Asks the switch that the line leads to, with the variables that it sets, when that can be told from it."""

    def ask(kind: str, *of: str) -> Sequence[str]:
        if not is_known:
            return ()
        os.environ.update(environ)
        from ovstool import lazy_imports

        with lazy_imports.in_force():
            from ovstool.completion import live

            return live.ask(at.given, kind, *of)

    return ask
