"""Settings as columns of the database. Pure."""

from ovstool.document.fields import Path, Settings
from ovstool.ovsdb.transaction import Row
from ovstool.ovsdb.values import Json, to_map, to_set
from ovstool.switch import police

# The column that a setting is stored in, by the beginning of its path.
OF_PORT: dict[Path, str] = {
    ("tag",): "tag", ("trunks",): "trunks", ("vlan_mode",): "vlan_mode", ("bond", "mode"): "bond_mode", ("bond", "lacp"): "lacp",
    ("other_config",): "other_config",
}  # fmt: skip
OF_INTERFACE: dict[Path, str] = {
    ("type",): "type", ("mtu",): "mtu_request", ("options",): "options", ("external_ids",): "external_ids",
}  # fmt: skip
OF_BRIDGE: dict[Path, str] = {
    ("datapath_type",): "datapath_type", ("fail_mode",): "fail_mode", ("protocols",): "protocols", ("external_ids",): "external_ids",
    ("other_config",): "other_config",
}  # fmt: skip
OF_MIRROR: dict[Path, str] = {
    ("select_all",): "select_all", ("select_vlans",): "select_vlan", ("output_vlan",): "output_vlan", ("snaplen",): "snaplen",
}  # fmt: skip
_MAPS = ("other_config", "options", "external_ids")
_PLAIN = {"type": "", "datapath_type": "", "select_all": False}  # columns that are never empty, with what stands for nothing


def applied(present: Settings, changes: Settings) -> Settings:
    """The settings after some changes."""
    return {path: value for path, value in (present | changes).items() if value is not None}


def columns(of: dict[Path, str], settings: Settings, only: Settings | None = None) -> Row:
    """The columns for settings; ``only``: those that these changes concern, where nothing is left also empty ones."""
    found: Row = {}
    for path, column in of.items():
        concerned = settings if only is None else only
        if any(there[: len(path)] == path for there in concerned):
            found[column] = _value(path, column, settings)
    return found


def _value(path: Path, column: str, settings: Settings) -> Json:
    if column in _MAPS:
        return to_map({there[-1]: value for there, value in settings.items() if there[0] == column})
    value = settings.get(path)
    if isinstance(value, tuple):
        return to_set(value)
    return _PLAIN.get(column, to_set([])) if value is None else value


def policing(settings: Settings) -> Row:
    """The columns of Interface for the settings below ``police``; zeros for none. Raises UsageError."""
    limits = [settings.get(("police", part)) for part in ("rate", "burst", "packet_rate", "packet_burst")]
    if limits[0] is None and limits[2] is None:
        return dict.fromkeys(police.COLUMNS, 0)
    return dict(zip(police.COLUMNS, (value or 0 for value in police.spec(*limits)), strict=True))


def sampling(settings: Settings) -> Row:
    """The columns of sFlow for the settings below ``sflow``."""
    row: Row = {"targets": to_set(settings["sflow", "collectors"])}
    given = {column: settings.get(("sflow", column)) for column in ("agent", "sampling", "polling", "header")}
    return row | {column: value for column, value in given.items() if value is not None}
