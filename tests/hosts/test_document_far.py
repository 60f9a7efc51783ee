"""Documents for several hosts: each switch is compared and changed by itself."""

import pytest
from lab import Lab


@pytest.fixture(scope="module")
def lab():
    if problem := Lab.problem():
        pytest.skip(f"a lab of hosts {problem}")
    with Lab() as lab:
        lab.host("h1")
        lab.host("h2")
        yield lab


def test_one_document_for_two_hosts(lab):
    page = lab.directory / "page.yaml"
    page.write_text("bridges: {br0: {ports: {eth1: {tag: 10}}}}")
    lab.vsctl("h1", "set port eth1 tag=10")
    differs = lab.ovstool(f"-H h1,h2 diff {page} -f json")
    assert differs.code == 1
    assert differs.json == [{"host": "h2", "object": "eth1", "field": "tag", "from": None, "to": 10}]
    assert lab.ovstool(f"-H h1,h2 apply {page}").stdout.splitlines() == [
        "h1 br0: unchanged", "h1 eth1: unchanged", "h2 br0: unchanged", "h2 eth1: updated",
    ]  # fmt: skip
    exported = lab.ovstool("-H h1,h2 export").stdout
    assert [line for line in exported.splitlines() if line.startswith(("---", "# host"))] == ["---", "# host h1", "---", "# host h2"]
    page.write_text("bridges: {br0: {tags: 1}}")
    refused = lab.ovstool(f"-H h1,h2 apply {page}")
    assert (refused.code, refused.stderr.count("\n")) == (2, 1)
