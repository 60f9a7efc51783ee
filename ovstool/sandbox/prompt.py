"""A shell whose prompt shows that it talks to a sandbox, whatever prompt the user's start-up files set."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MARK = "(sandbox) "
_BASH = """\
[ ! -r ~/.bashrc ] || . ~/.bashrc
PROMPT_COMMAND="${{PROMPT_COMMAND:+$PROMPT_COMMAND
}}"'PS1="{mark}${{PS1#"{mark}"}}"'
"""
_ZSH = """\
ZDOTDIR={home}
[ ! -r "$ZDOTDIR/.zshrc" ] || . "$ZDOTDIR/.zshrc"
precmd_functions+=(_ovstool_prompt)
_ovstool_prompt() {{ PS1="{mark}${{PS1#"{mark}"}}" }}
"""
_FISH = "functions -c fish_prompt _ovstool_prompt; function fish_prompt; echo -n '{mark}'; _ovstool_prompt; end"


@contextmanager
def of_sandbox(shell: str) -> Iterator[tuple[list[str], dict[str, str]]]:
    """The argv that starts the shell, and additions to its environment; valid during the block."""
    name = os.path.basename(shell)
    with tempfile.TemporaryDirectory(prefix="ovstool-shell-") as folder:
        if name == "bash":
            file = Path(folder, "bashrc")
            file.write_text(_BASH.format(mark=_MARK))
            yield [shell, "--rcfile", str(file)], {}
        elif name == "zsh":
            import shlex

            Path(folder, ".zshrc").write_text(
                _ZSH.format(mark=_MARK, home=shlex.quote(os.environ.get("ZDOTDIR") or os.path.expanduser("~")))
            )
            yield [shell], {"ZDOTDIR": folder}
        elif name == "fish":
            yield [shell, "-C", _FISH.format(mark=_MARK)], {}
        else:
            yield [shell], {"PS1": f"{_MARK}$ "}
