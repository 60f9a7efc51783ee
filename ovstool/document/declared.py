"""What a document declares: the settings that it names, by bridge and by port. Pure."""

from typing import TYPE_CHECKING, NamedTuple

from ovstool.document.fields import Path, Settings
from ovstool.document.tree import Place

if TYPE_CHECKING:
    from ovstool.switch.flow import GivenFlows


class Entry(NamedTuple):
    """A bridge or a port: its settings by path, None for one to remove, and where each was written; ``selector`` names it if not empty."""

    name: str
    place: Place
    settings: Settings
    places: dict[Path, Place]
    selector: str = ""

    @property
    def shown(self) -> str:
        """What the document calls it."""
        return self.selector or self.name

    def put(self, path: Path, value: object, place: Place) -> None:
        self.settings[path] = value
        self.places[path] = place

    def at(self, *paths: Path) -> Place:
        """Where the first of these was written; where the object was if none was."""
        return next((self.places[path] for path in paths if path in self.places), self.place)

    def below(self, *path: str) -> Settings:
        """The settings below a path, by the rest of their paths, without those to remove."""
        size = len(path)
        return {key[size:]: value for key, value in self.settings.items() if key[:size] == path and len(key) > size and value is not None}


class DeclaredBridge(NamedTuple):
    """A bridge and its ports; the local port is among them only if something is said of it."""

    entry: Entry
    ports: dict[str, Entry]


class Document(NamedTuple):
    """The bridges of a document by name, the flows of those of which it names them, and the name under which it owns what it changes.

    Without a name it owns nothing.
    """

    bridges: dict[str, DeclaredBridge]
    flows: "dict[str, GivenFlows]"
    name: str | None = None

    def port_names(self) -> list[str]:
        return [name for bridge in self.bridges.values() for name in bridge.ports]
