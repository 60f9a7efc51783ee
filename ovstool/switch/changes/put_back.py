"""Taking back a change that this command has just made, when what was to follow it fails."""

from ovstool.errors import Conflict
from ovstool.ovsdb import effects, inverse
from ovstool.ovsdb.inverse import RowChange
from ovstool.ovsdb.transaction import Transaction
from ovstool.switch import Switch
from ovstool.switch.changes.comment import PUT_BACK

_MOST_ROWS = 1_000_000


class Change:
    """A change of the database: ``note`` it before it is sent, and ``take_back`` restores what it changed."""

    def __init__(self, switch: Switch):
        self._switch = switch
        self._rows: list[RowChange] = []

    def __bool__(self) -> bool:
        """Whether it changes anything that is not taken back yet."""
        return bool(self._rows)

    def note(self, txn: Transaction) -> None:
        """Compute what the transaction changes, which must be sent as it is now; it may be computed again."""
        self._rows = []
        if txn.writes:
            txn.choose_uuids()
            self._rows = effects.changes(txn, self._switch.client.get_schema(), _MOST_ROWS)

    def take_back(self, wait: bool) -> None:
        """Restore the rows in one transaction. Raises Conflict when others have changed them since, or refer to new ones."""
        if self._rows:
            said, waits = self._switch.comment, self._switch.wait
            self._switch.comment = said and said._replace(about=PUT_BACK)
            self._switch.wait = wait
            try:
                build = _Restoration(self._rows, inverse.Columns(self._switch.client.get_schema()))
                self._switch.write(build, meanwhile=lambda _: self._rows.clear())
            finally:
                self._switch.comment, self._switch.wait = said, waits


class _Restoration:
    """Builds the transaction that restores rows, once: where it is refused the rows have changed."""

    def __init__(self, rows: list[RowChange], columns: inverse.Columns):
        self._rows, self._columns = rows, columns
        self._is_built = False

    def __call__(self, txn: Transaction) -> None:
        if self._is_built:
            raise Conflict("the database", "others have changed the same since")
        self._is_built = True
        txn.add(inverse.guards(self._rows, self._columns), inverse.writes(self._rows, self._columns))
