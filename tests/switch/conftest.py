"""What the tests of failures share."""

import pytest


@pytest.fixture
def refused(switch, ovstool):
    """``refused("port del nosuch", 3)``: a command that has to fail, and must neither change nor print anything; returns its one line."""

    def run(command: str | list, code: int, **environ: str) -> str:
        before = switch.dump()
        result = ovstool(command, **environ)
        assert (result.code, result.stdout) == (code, ""), result
        assert result.stderr.startswith("ovstool: "), result.stderr
        assert result.stderr.endswith("\n") and result.stderr[:-1].isprintable(), result.stderr
        assert "a bug in ovstool" not in result.stderr
        assert switch.dump() == before
        return result.stderr.removeprefix("ovstool: ").removesuffix("\n")

    return run
