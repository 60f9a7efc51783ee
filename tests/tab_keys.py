"""Tab pressed in a real shell on a terminal: the resulting command line, and what the shell shows."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_LIMIT_S = 60
_TRIES = 4
_TELL = "\x0f"  # Ctrl-O makes the shell report its command line
_CLEAR = {"bash": "\x05\x15", "zsh": "\x15", "fish": "\x05\x15"}

# Each loads the script under test, zsh as from a package, and writes its command line to $LINES_TO on Ctrl-O.
_SETTINGS = {
    "bash": """
PS1='> '; set +o history
source "$SCRIPT"
bind 'set completion-query-items 0'; bind 'set page-completions off'; bind 'set bell-style none'; bind 'set enable-bracketed-paste off'
bind -x '"\\C-o": printf "%s\\0" "$READLINE_LINE" >"$LINES_TO"'
""",
    "zsh": """
PS1='> '; unsetopt beep zle_bracketed_paste prompt_cr prompt_sp; LISTMAX=9999
fpath=("${SCRIPT:h}" $fpath)
autoload -Uz compinit; compinit -u -D
tell() { print -rn -- "$BUFFER"$'\\0' >"$LINES_TO" }
zle -N tell; bindkey -e; bindkey '^O' tell; bindkey '^U' kill-whole-line
""",
    "fish": """
function fish_prompt; echo '> '; end
function fish_greeting; end
source "$SCRIPT"
function tell; printf '%s\\0' (commandline | string collect) >$LINES_TO; end
bind \\co tell
bind \\cu 'commandline ""'
""",
}
_START = {"bash": ["--noprofile", "--rcfile"], "zsh": ["-d", "-i"], "fish": ["--no-config", "-C"]}


class Shell:
    """``Shell("bash", environ, folder)``; ``environ`` selects the switch, ``folder`` is the shell's home."""

    def __init__(self, name: str, environ: Mapping[str, str], folder: Path):
        self.name = name
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ovstool").write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m ovstool "$@"\n')
        (folder / "ovstool").chmod(0o755)
        (folder / ".local/share/fish/generated_completions").mkdir(parents=True, exist_ok=True)  # or fish reads all manual pages
        os.mkfifo(folder / "lines")
        self._lines = os.open(folder / "lines", os.O_RDWR)
        script = ROOT / "completions" / {"bash": "ovstool.bash", "zsh": "_ovstool", "fish": "ovstool.fish"}[name]
        settings = folder / ".zshrc" if name == "zsh" else folder / "settings"
        settings.write_text(_SETTINGS[name])
        self._screen, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        mine = {"SCRIPT": script, "LINES_TO": folder / "lines", "HOME": folder, "ZDOTDIR": folder, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
        mine |= {"PATH": f"{folder}:{os.environ['PATH']}", "XDG_CONFIG_HOME": folder / ".config", "XDG_DATA_HOME": folder / ".local/share"}
        argv = [name, *_START[name], *({"bash": [settings, "-i"], "fish": [f"source {settings}"]}.get(name, []))]
        kept = {key: value for key, value in environ.items() if key not in ("COLUMNS", "LINES", "INPUTRC")}
        self._process = subprocess.Popen(
            argv, env={**kept, **{key: str(value) for key, value in mine.items()}}, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(theirs)
        self.shown = ""
        assert self.tab("", keys="") == ""

    def tab(self, line: str, keys: str = "\t", behind: str = "") -> str:
        """The command line after typing this and pressing these keys; ``behind`` is text after the cursor."""
        self.shown = ""
        back = "\x02" * len(behind)
        os.write(self._screen, f"{line}{behind}{back}{keys}{_TELL}".encode())
        told = bytearray()
        deadline = time.monotonic() + _LIMIT_S
        while not told.endswith(b"\0"):
            ready, _, _ = select.select([self._lines, self._screen], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"{self.name} does not answer: {self.shown}"
            if self._screen in ready:
                self.shown += os.read(self._screen, 65536).decode(errors="replace")
            if self._lines in ready:
                told += os.read(self._lines, 65536)
        os.write(self._screen, _CLEAR[self.name].encode())
        return told[:-1].decode()

    def becomes(self, line: str, expected: str, behind: str = "") -> bool:
        """Whether the command line becomes this; retries, because completion soon gives up and a busy machine is slow."""
        return any(self.tab(line, behind=behind) == expected for _ in range(_TRIES))

    def lists(self, line: str, *words: str) -> bool:
        """Whether two Tabs show these words and leave the line; retries as ``becomes``, and waits for what the shell draws only when idle."""
        return any(self._lists(line, words) for _ in range(_TRIES))

    def _lists(self, line: str, words: Sequence[str]) -> bool:
        os.write(self._screen, f"{line}\t\t".encode())
        self.shown = ""
        until = time.monotonic() + _LIMIT_S / _TRIES
        while not (are_listed := all(word in self.shown for word in words)):
            if not select.select([self._screen], [], [], max(until - time.monotonic(), 0))[0]:
                break
            self.shown += os.read(self._screen, 65536).decode(errors="replace")
        return self.tab("", keys="").startswith(line) and are_listed

    def run(self, keys: str) -> None:
        """Press these keys and Enter, and wait until the shell has run the command."""
        os.write(self._screen, f"{keys}\r".encode())
        self.tab("")

    def close(self) -> None:
        os.close(self._screen)  # SIGHUP
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._lines)
