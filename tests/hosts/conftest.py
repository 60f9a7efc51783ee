"""The lab of hosts for tests over SSH."""

from collections.abc import Iterator

import pytest
from lab import Lab


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A lab without hosts, shared by the tests of a module; each test starts the hosts it needs under its own names."""
    if problem := Lab.problem():
        pytest.skip(f"a lab of hosts {problem}")
    with Lab() as made:
        yield made
