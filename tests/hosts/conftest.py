"""The lab of hosts that tests over SSH work on."""

from collections.abc import Iterator

import pytest
from lab import Lab


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A lab without hosts; the tests of a module share it, and each asks for the hosts that it needs under names of its own."""
    if problem := Lab.problem():
        pytest.skip(f"a lab of hosts {problem}")
    with Lab() as made:
        yield made
