"""ovstool complete"""

import argparse

from ovstool.command import Command
from ovstool.completion.scripts import BY_SHELL
from ovstool.errors import UsageError, quote


class Complete(Command):
    """Print the completion script for bash, zsh or fish

    With it Tab completes commands, options and their values, and the bridges, ports, queues and hosts that there are: those of the
    switch that the line names with --db or --host, or of the one that ovstool would use. A switch that does not answer soon
    completes nothing, and nobody is asked for a password.

    'pip install' and packages put the scripts where shells look for them. From an environment of Python's (venv, pipx) they
    have to be put there; open a new shell afterwards:
      ovstool complete bash > ~/.local/share/bash-completion/completions/ovstool
      ovstool complete zsh > DIRECTORY/_ovstool    # a directory of $fpath
      ovstool complete fish > ~/.config/fish/completions/ovstool.fish

    Without the package bash-completion, and in zsh without a directory of $fpath, this does in ~/.bashrc or ~/.zshrc:
      source <(ovstool complete bash)
      source <(ovstool complete zsh)

    Examples:
      ovstool complete | sudo tee /usr/share/bash-completion/completions/ovstool
      ovstool complete zsh | sudo tee /usr/local/share/zsh/site-functions/_ovstool
      ovstool complete fish | sudo tee /usr/share/fish/vendor_completions.d/ovstool.fish
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        shells = ", ".join(BY_SHELL)
        parser.add_argument("shell", metavar="SHELL", nargs="?", default="bash", help=f"the shell to complete in: {shells} (default: bash)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        shell = parsed_args.shell
        if shell not in BY_SHELL:
            raise UsageError(quote(shell), "there is no completion for this shell", f"ovstool complete and one of {', '.join(BY_SHELL)}")
        self.app.stdout.write(BY_SHELL[shell])
