"""Text in cells of csv, which a spreadsheet must not take for a formula (OWASP, CSV injection)."""

_BEGINNINGS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")  # the full-width ones too


def text(words: str) -> str:
    """A cell that says these words: with an apostrophe in front where they look like a formula."""
    return f"'{words}" if _is_formula(words) else words


def meant(cell: str) -> str:
    """The words that ``text`` made the cell of."""
    return cell[1:] if cell[:1] == "'" and _is_formula(cell) else cell


def _is_formula(text: str) -> bool:
    return text.lstrip(" '").startswith(_BEGINNINGS)
