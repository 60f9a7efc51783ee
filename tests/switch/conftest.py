"""What the tests of failures share."""

import pytest


@pytest.fixture(scope="session")
def unchanged(running_switch):
    """A switch for all tests whose commands leave it as it is."""
    with running_switch("dummy") as switch:
        yield switch


@pytest.fixture
def refused(request):
    """``refused("port del nosuch", 3)``: a command that has to fail, and must neither change nor print anything; returns its one line.

    Where the test has a switch of its own, on that one.
    """
    switch = request.getfixturevalue("switch" if "switch" in request.fixturenames else "unchanged")

    def run(command: str | list, code: int, **environ: str) -> str:
        before = switch.dump()
        result = switch.ovstool(command, **environ)
        assert (result.code, result.stdout) == (code, ""), result
        assert result.stderr.startswith("ovstool: "), result.stderr
        assert result.stderr.endswith("\n") and result.stderr[:-1].isprintable(), result.stderr
        assert "a bug in ovstool" not in result.stderr
        assert switch.dump() == before
        return result.stderr.removeprefix("ovstool: ").removesuffix("\n")

    return run
