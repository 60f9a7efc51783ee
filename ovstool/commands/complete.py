"""ovstool complete"""

import argparse

from ovstool.command import Command
from ovstool.completion.scripts import BY_SHELL
from ovstool.errors import UsageError, quote


class Complete(Command):
    """Print the completion script for bash, zsh or fish

    With this script, Tab completes commands, options and their values, hosts, and the bridges, ports and queues of the switch
    named with --db or --host, or of the default switch. If a switch does not answer quickly, nothing is completed. Tab never
    asks for a password.

    Packages and 'pip install' install the scripts where the shells look for them. In a virtual environment (venv, pipx)
    install them yourself, then open a new shell:
      ovstool complete bash > ~/.local/share/bash-completion/completions/ovstool
      ovstool complete zsh > DIRECTORY/_ovstool    # a directory in $fpath
      ovstool complete fish > ~/.config/fish/completions/ovstool.fish

    For bash without the bash-completion package, or zsh without a directory of your own in $fpath, put one of these into
    ~/.bashrc or ~/.zshrc:
      source <(ovstool complete bash)
      source <(ovstool complete zsh)

    Examples:
      ovstool complete | sudo tee /usr/share/bash-completion/completions/ovstool
      ovstool complete zsh | sudo tee /usr/local/share/zsh/site-functions/_ovstool
      ovstool complete fish | sudo tee /etc/fish/completions/ovstool.fish
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        shells = ", ".join(BY_SHELL)
        parser.add_argument("shell", metavar="SHELL", nargs="?", default="bash", help=f"the shell to complete in: {shells} (default: bash)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        shell = parsed_args.shell
        if shell not in BY_SHELL:
            raise UsageError(quote(shell), "no completion for this shell", f"ovstool complete {' or '.join(BY_SHELL)}")
        self.app.stdout.write(BY_SHELL[shell])
