"""How a switch is reached: on this machine or over SSH, with the options that hold for all switches of a command."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, NamedTuple

from ovstool.answers import Answer
from ovstool.errors import Unreachable
from ovstool.host import Host, Tls, Unresolved, local
from ovstool.host.deadline import Deadline
from ovstool.switch import Switch
from ovstool.switch.changes.comment import Comment

if TYPE_CHECKING:
    from ovstool.host.address import Target
    from ovstool.switch.connections import Connections


class Reach(NamedTuple):
    """What the common options say of reaching a switch, and of asking it (see Switch); ``sudo`` and the host key are for hosts behind SSH.

    ``batch``: nobody is asked for a password or a passphrase. ``connections`` are those that outlive the command. ``comment`` says who
    changes the switch, and how. ``inventory`` is the one that the user named.
    """

    db: str | None
    tls: Tls
    timeout_s: float
    wait: bool
    dry_run: bool
    as_ovs: bool
    sudo: bool
    accept_new_host_key: bool
    batch: bool = False
    connections: "Connections | None" = None
    comment: Comment | None = None
    confirm_within_s: int | None = None
    inventory: str | None = None

    @contextmanager
    def switch(self, asked: Answer) -> Iterator[Switch]:
        """The switch that an answer is asked of, connected to at the first need; what it says beside its result it says there."""
        allowed = Deadline(self.timeout_s)
        host: Host = local
        target = None if asked.target and asked.target.is_here else asked.target
        if target:
            from ovstool.host.ssh import Ssh

            host = Ssh(target.address, self.sudo, self.accept_new_host_key, allowed, self.batch, target.key)
        switch = Switch(
            db=self.db,
            tls=self.tls,
            timeout_s=self.timeout_s,
            wait=self.wait,
            dry_run=self.dry_run,
            as_ovs=self.as_ovs,
            host=host,
            planned=asked.planned,
            same_lines=asked.same_lines,
            notes=asked.notes,
            found=asked.found,
            allowed=allowed,
            comment=self.comment,
            confirm_within_s=self.confirm_within_s,
        )
        way = (target.address, target.key) if target else None
        name = (way, self.db, self.tls, self.sudo, self.accept_new_host_key)
        try:
            with self.connections.lent(switch, name, allowed, self.batch) if self.connections else nullcontext():
                yield switch
        except Unresolved as error:
            raise self._with_hint(error, target) from error
        finally:
            switch.close()
            switch.host.close()

    def _with_hint(self, error: Unresolved, target: "Target | None") -> Unreachable:
        """The error, with the group that may have been meant."""
        from ovstool.host import address, inventory

        host = address.parse(target.address).host if target else ""
        return Unreachable(error.what, error.why, f"-H @{host}" if host in inventory.group_names(self.inventory) else error.hint)
