"""One ovstool at a time for changes that take more than a transaction: of the database, and of what ovs-vswitchd alone has."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ovstool.errors import Conflict, TimedOut
from ovstool.switch import Switch

_LOCK = "ovstool_snapshot_restore"  # the first such change, in versions that have no other


@contextmanager
def alone(switch: Switch) -> Iterator[None]:
    """Wait until no other ovstool makes such a change on the switch. Raises Conflict when the time is over before."""
    with ExitStack() as stack:
        try:
            stack.enter_context(switch.client.locked(_LOCK))
        except TimedOut as error:
            raise Conflict("the switch", "another ovstool is still restoring a snapshot of it, or applying flows", "again") from error
        yield
