"""Print Debian's file copyright for the libraries that are installed in a directory, and for ovstool among them.

    python3 packaging/copyright.py DIRECTORY

The format is https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/. Licenses that are on every Debian system are referred to.
"""

import re
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

COMMON = {"Apache-2.0": "Apache-2.0", "LGPL-2.1": "LGPL-2.1"}
NOTICE = re.compile(r"^[\W_]*copyright[ :]+((?:\(c\)|©)? *\d{4}\b.*)", re.IGNORECASE | re.MULTILINE)


def main(directory: Path) -> None:
    print("Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: ovstool")
    print("Comment: The libraries in /usr/share/ovstool are those of which no release of Debian has a version that is new enough.\n")
    print("Files: *\nCopyright: the authors of ovstool\nLicense: Apache-2.0")
    found = sorted(distributions(path=[str(directory)]), key=lambda each: each.name)
    for each in found:
        if each.name != "ovstool":
            print(stanza(each, directory))
    for name, file in COMMON.items():
        print(f"\nLicense: {name}\n The full text is in /usr/share/common-licenses/{file}.")


def stanza(library: Distribution, directory: Path) -> str:
    """What the file says about one library."""
    paths = [directory / path for path in sorted(tops(library))]
    holders = notices(paths) or [library.metadata["Author"] or library.metadata["Author-email"]]
    files = "\n ".join(f"usr/share/ovstool/{path.name}/*" for path in paths)
    return f"\nFiles: {files}\nCopyright: {f'{chr(10)} '.join(holders)}\nLicense: {license_of(library)}"


def tops(library: Distribution) -> set[str]:
    return {path.parts[0] for path in library.files or () if path.parts[0] not in ("..", "bin")}


def notices(paths: list[Path]) -> list[str]:
    """The notices in the library's source and license, each once."""
    texts = [
        path.read_text(errors="replace") for top in paths for path in sorted(top.rglob("*")) if path.suffix == ".py" or is_license(path)
    ]
    return sorted({" ".join(notice.split()) for text in texts if not is_common(text) for notice in NOTICE.findall(text)})


def is_license(path: Path) -> bool:
    return path.is_file() and path.name.startswith("LICENSE")


def is_common(text: str) -> bool:
    """Whether it is a license as published, whose notice is its author's and not the library's."""
    return "everyone is permitted to copy and distribute" in text.lower() or "TERMS AND CONDITIONS FOR USE" in text


def license_of(library: Distribution) -> str:
    """The name of the license, and its text unless every Debian system has it."""
    name = library.metadata["License-Expression"] or ""
    if name in COMMON:
        return name
    texts = [Path(str(library.locate_file(path))).read_text() for path in library.files or () if path.name.startswith("LICENSE")]
    if not texts:
        sys.exit(f"copyright: {library.name}: license '{name}' without a text; nothing could be said about it in Debian's file")
    lines = "\n".join(texts).strip().splitlines()
    return "\n ".join([name or library.name, *(line.rstrip() or "." for line in lines)])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
