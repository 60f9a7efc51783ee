"""ovstool sandbox"""

import argparse
import os
import shlex
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from ovstool import sandbox
from ovstool.command import Command, TableCommand
from ovstool.commands.options import word
from ovstool.errors import NotFound, UsageError, quote
from ovstool.parser import time_for
from ovstool.sandbox import prompt
from ovstool.switch import Change


class _OnDirectory(Command):
    """The base of all sandbox commands, with the option for the directory"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--dir",
            type=_directory,
            help="directory of the sandbox (default: $XDG_RUNTIME_DIR/ovstool-sandbox, else /tmp/ovstool-sandbox-UID; for root"
            " /run/ovstool-sandbox)",
        )
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        if parsed_args.dry_run:
            raise UsageError("--dry-run", "sandbox commands have no dry run")
        if parsed_args.confirm_within:
            raise UsageError("--confirm-within", "sandbox commands cannot be undone")
        if parsed_args.hosts:
            raise UsageError("--host", "a sandbox always runs on this machine", "ssh HOST ovstool sandbox")
        parsed_args.dir = parsed_args.dir or sandbox.default_directory()
        return super().run(parsed_args)


class _Changing(_OnDirectory, TableCommand):
    """The sandbox commands that print what changed"""

    columns = Change._fields
    formatter_default = "lines"

    def print_change(self, change: str, args: argparse.Namespace) -> None:
        self.emit(args, self.columns, [Change(str(args.dir), change)])


class _WithDatapath(_OnDirectory):
    """The sandbox commands that may start one"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--datapath",
            choices=sandbox.DATAPATHS,
            help="dummy: no root needed, nothing is forwarded; netdev: real traffic between two hosts, needs root; system: the same with the"
            " kernel module openvswitch (default: netdev where it works)",
        )
        return parser

    def borrowed(self, args: argparse.Namespace) -> AbstractContextManager[sandbox.Sandbox]:
        """The running sandbox, else a temporary one"""
        return sandbox.borrowed(args.dir, args.datapath, time_for(args), partial(self.note, parsed_args=args))


def _directory(text: str) -> Path:
    """argparse type: a path; an empty one, from a script's unset variable, must not mean the working directory."""
    return Path(word(text))


def _exports(running: sandbox.Sandbox) -> str:
    """The shell command after which every command in that shell talks to the sandbox"""
    return "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in running.environ.items())


def _how_to_use(started: sandbox.Sandbox) -> Iterator[str]:
    """Lines that can be pasted into a shell"""
    yield f"# to use it: 'ovstool sandbox shell --dir {shlex.quote(str(started.directory))}', or in any shell:"
    yield _exports(started)
    if started.namespace:
        yield f"# switch {started.namespace}: ip netns exec {started.namespace} tc qdisc"
    for host, address in started.hosts.items():
        yield f"# host {address}: ip netns exec {host} ping 10.0.0.254"


class SandboxStart(_WithDatapath, _Changing):
    """Start a private switch for experiments

    It has its own ovsdb-server and ovs-vswitchd, and a bridge br0 with the ports eth1 and eth2. The machine's own switch is
    not touched.

    With --datapath netdev or system the switch has its own network namespace, and so does a host on each port. The hosts have
    the addresses 10.0.0.1 and 10.0.0.2, the switch has 10.0.0.254. Instructions for using them are printed on stderr. On
    netdev policing has no effect, and all traffic goes through queue 0; on system both work.

    Examples:
      ovstool sandbox start
      ovstool sandbox run -- ovs-vsctl show
      ovstool sandbox stop
    """

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        started, created = sandbox.start(parsed_args.dir, parsed_args.datapath, timeout_s=time_for(parsed_args))
        if parsed_args.verbose_level > 0:
            for line in _how_to_use(started):
                print(line, file=self.app.stderr)
        self.print_change("created" if created else "unchanged", parsed_args)


class SandboxStop(_Changing):
    """Stop the private switch and remove everything it created

    Example:
      ovstool sandbox stop
    """

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        stopped = sandbox.stop(parsed_args.dir, time_for(parsed_args), partial(self.note, parsed_args=parsed_args))
        self.print_change("deleted" if stopped else "unchanged", parsed_args)


class SandboxEnv(_OnDirectory):
    """Print the environment of the private switch, for a shell's 'eval'

    The exit code is 3 if no sandbox is running.

    Examples:
      ovstool sandbox env
      eval "$(ovstool sandbox env)"; ovs-vsctl show
    """

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        running = sandbox.find(parsed_args.dir)
        if not running:
            raise NotFound(quote(str(parsed_args.dir)), "no sandbox is running there", "ovstool sandbox start")
        self.print_lines([_exports(running)])


class SandboxRun(_WithDatapath):
    """Run a command against the private switch

    If no sandbox is running, one is started for the command and stopped afterwards. The command's environment makes ovstool
    and Open vSwitch's own programs talk to the sandbox. Unless the datapath is dummy, the command runs in the network
    namespace of the switch, and $OVSTOOL_H1 and $OVSTOOL_H2 name the namespaces of the hosts. The exit code is that of the
    command.

    Examples:
      ovstool sandbox run -- ovs-vsctl show
      ovstool sandbox run -- sh -c 'ip netns exec $OVSTOOL_H1 ping -c 3 10.0.0.2'
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.usage = f"{prog_name} [options] -- COMMAND..."
        parser.add_argument("command", metavar="COMMAND", nargs="*", help="command and its arguments, after --")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        if not parsed_args.command:
            raise UsageError("sandbox run", "no command given", "ovstool sandbox run -- ovs-vsctl show")
        with self.borrowed(parsed_args) as borrowed:
            return sandbox.run(borrowed, parsed_args.command)


class SandboxShell(_WithDatapath):
    """Start a shell in which every command talks to the private switch

    If no sandbox is running, one is started for the shell and stopped afterwards. The shell is $SHELL, else /bin/sh.

    Example:
      ovstool sandbox shell
      ovs-vsctl show
      exit
    """

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        shell = os.environ.get("SHELL") or "/bin/sh"
        with self.borrowed(parsed_args) as borrowed, prompt.of_sandbox(shell) as (argv, extra):
            hosts = ", ".join(f"$OVSTOOL_H{i} ({address})" for i, address in enumerate(borrowed.hosts.values(), 1))
            self.note(f"every command here talks to a private switch{hosts and f'; its hosts are the namespaces {hosts}'}", parsed_args)
            return sandbox.run(borrowed, argv, extra)
