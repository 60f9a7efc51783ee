"""The settings of a sandbox and their file, which also marks the directory as one that may be cleared."""

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from ovstool.errors import Refused, quote
from ovstool.sandbox import directories
from ovstool.sandbox.directories import MARKER, Place

DATAPATHS = ("dummy", "netdev", "system")
SUBNET = "10.0.0"  # hosts are .1, .2 and so on; the bridge is .254

_LONGEST_MARKER = 2**20  # bytes; 10,000 ports take 150,000


@dataclass(frozen=True)
class Sandbox:
    """A private switch: its directory and its settings."""

    directory: Path
    datapath: str  # one of DATAPATHS
    namespace: str | None  # the network namespace of ovs-vswitchd; None with the dummy datapath
    bridge: str
    ports: tuple[str, ...]
    made_directory: bool  # else it existed, empty, and is kept
    complete: bool = False  # else its start did not finish

    @property
    def db(self) -> str:
        return f"unix:{self.directory}/db.sock"

    @property
    def hosts(self) -> dict[str, str]:
        """The namespace that acts as the host on each port, and its IPv4 address, in the order of the ports."""
        if self.namespace is None:
            return {}
        return {f"{self.namespace}-h{i}": f"{SUBNET}.{i}" for i in range(1, len(self.ports) + 1)}

    @property
    def environ(self) -> dict[str, str]:
        """The environment with which ovstool and Open vSwitch's own programs use only this switch."""
        found = {"OVSTOOL_DB": self.db}
        found.update({name: str(self.directory) for name in ("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR")})
        found.update({f"OVSTOOL_H{i}": host for i, host in enumerate(self.hosts, 1)})
        return found


def namespace_name(path: Path, token: str) -> str:
    """The name of a new network namespace; its last six digits are a hash of the directory and the token, which proves whose it is."""
    return f"ovstool-{token}{hashlib.sha256(token.encode() + os.fsencode(path)).hexdigest()[:6]}"


def load(place: Place) -> Sandbox | None:
    """The settings of the sandbox that is or was here; None for a directory without the marker."""
    text = directories.read(place, MARKER, _LONGEST_MARKER)
    if text is None:
        return None
    try:
        settings = json.loads(text)
        found = Sandbox(directory=Path(settings.pop("directory")), ports=tuple(settings.pop("ports")), **settings)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        why = f"{MARKER} cannot be read ({error})"
        raise Refused(quote(str(place.path)), why, "another --dir, or look into this one and remove it") from error
    if not _is_of(found, place.path):
        raise Refused(
            quote(str(place.path)), f"{MARKER} is not that of a sandbox created on this machine", "inspect the directory and remove it"
        )
    return found


def save(place: Place, sandbox: Sandbox) -> None:
    directories.write(place, MARKER, json.dumps(asdict(sandbox) | {"directory": str(sandbox.directory)}, indent=2) + "\n")


def _is_of(found: Sandbox, path: Path) -> bool:
    """Whether ovstool wrote these settings for this directory; a copied or edited file could name foreign namespaces."""
    name = found.namespace
    if found.datapath == "dummy":
        ours = name is None
    else:
        ours = isinstance(name, str) and bool(re.fullmatch("ovstool-[0-9a-f]{12}", name)) and name == namespace_name(path, name[8:14])
    words = [found.datapath, found.bridge, *found.ports]
    kinds = all(isinstance(word, str) for word in words) and {type(found.made_directory), type(found.complete)} == {bool}
    return ours and kinds and found.directory == path and found.datapath in DATAPATHS
