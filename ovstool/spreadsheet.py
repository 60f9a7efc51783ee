"""Text in CSV cells, which a spreadsheet must not interpret as a formula (OWASP, CSV injection)."""

_BEGINNINGS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")  # the full-width ones too


def text(words: str) -> str:
    """The cell for a text: with an apostrophe in front if it looks like a formula."""
    return f"'{words}" if _is_formula(words) else words


def meant(cell: str) -> str:
    """The text that ``text`` turned into this cell."""
    return cell[1:] if cell[:1] == "'" and _is_formula(cell) else cell


def _is_formula(text: str) -> bool:
    return text.lstrip(" '").startswith(_BEGINNINGS)
