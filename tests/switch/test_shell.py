"""``ovstool shell`` on a real switch: lines typed at the prompt, and scripts."""

import os
import subprocess
import sys

import pytest
from typed_shell import CLEAR, typed_shell


@pytest.fixture
def shell(unchanged, tmp_path):
    with typed_shell([], unchanged.environ, tmp_path) as shell:
        yield shell


def run_script(switch, text: str | bytes, *words: str):
    argv = [sys.executable, "-m", "ovstool", "shell", *words]
    data = text.encode() if isinstance(text, str) else text
    done = subprocess.run(argv, input=data, env=switch.environ, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_what_is_typed(shell, unchanged, tmp_path):
    name = os.path.basename(unchanged.box.directory)
    assert shell.said.endswith(f"ovstool sandbox {name.removeprefix('ovstool-')}> ")
    assert shell.type("bridge list -f value -c bridge") == "br0\n"
    assert shell.type("ovstool port list -f value -c port # as in the manual") == "br0\neth1\neth2\n"
    assert "port eth9: no such port" in shell.type("port show eth9")
    assert shell.type("shell").startswith("ovstool: shell: this is one already")
    shell.press("bridge \\\r")
    shell.until("> $")
    assert shell.type("list -f value -c bridge") == "br0\n"
    assert shell.type(" version") != ""
    assert shell.leave() == 0
    kept = (tmp_path / "ovstool/history").read_text().splitlines()
    assert kept[0] == "bridge list -f value -c bridge" and kept[-2:] == ["bridge \\", "list -f value -c bridge"]


def test_tab_asks_the_switch(shell):
    shell.press("port show eth\t\t")
    assert "eth1" in shell.until("(?s)eth2.*eth$")  # with the line as it was typed
    shell.press(f"{CLEAR}port show 'et\t1\t -f va\t-c po\t")
    shell.until("-c port $")
    assert shell.type("").endswith("eth1\n")


def test_ctrl_c_ends_the_command_and_not_the_shell(shell):
    shell.press("port show eth")
    shell.until("port show eth$")  # the terminal drops, at Ctrl-C, what was not read before, and readline may already wait for that
    assert shell.interrupt()
    shell.press("stats eth1 --rate --interval 0.05 -f csv\r")
    shell.until("(?s)eth1.*eth1")
    shell.interrupt()
    assert shell.type("bridge list -f value -c bridge") == "br0\n"
    shell.press("stats eth1 --watch | cat\r")
    shell.until("(?s)eth1.*eth1")
    shell.interrupt()
    assert shell.type("bridge list -f value -c bridge") == "br0\n"
    assert shell.leave("exit\r") == 0


def test_ctrl_z_and_back(shell):
    shell.press("port show e")
    shell.until("port show e$")
    assert shell.stop_and_go_on("> port show e$")
    shell.press("th\t\t")
    assert "eth1" in shell.until("eth2")


def test_the_prompt_names_the_switch(shell):
    shell.type("-H leaf01,leaf02 --sudo")
    shell.press("\r")
    assert shell.until("leaf01,leaf02> $")
    shell.press("-H\r")
    assert shell.until("test-[^ ]*> $")  # as before
    shell.press("--db tcp:127.0.0.1:1\r")
    assert shell.until("tcp:127.0.0.1:1> $")
    assert "tcp:127.0.0.1:1: Connection refused" in shell.type("show")
    assert shell.type("# no command") == ""
    assert shell.leave() == 5


def test_tab_asks_the_switch_that_the_prompt_names(unchanged, tmp_path):
    environ = unchanged.environ | {"OVSTOOL_HOST": "127.0.0.1:1"}
    with typed_shell([], environ, tmp_path) as shell:
        shell.type("-H")
        shell.press("port show eth\t\t")
        assert "eth1" in shell.until("eth2")


def test_the_shell_remembers_what_was_typed_before(shell, unchanged, tmp_path):
    shell.type("bridge list -f value -c bridge")
    shell.leave()
    with typed_shell([], unchanged.environ, tmp_path) as again:
        assert again.type("\x10") == "br0\n"  # the line before


def test_a_history_that_is_not_ours_is_left_alone(unchanged, tmp_path):
    (tmp_path / "ovstool").mkdir()
    (tmp_path / "theirs").write_text("theirs\n")
    (tmp_path / "ovstool/history").symlink_to(tmp_path / "theirs")
    with typed_shell(["-v"], unchanged.environ, tmp_path) as shell:
        said = "".join(shell.said.split())  # folded
        assert f"ovstool:note:{tmp_path}/ovstool/history:" in said and "notkept" in said
        assert "br0\n" in shell.type("bridge list -f value -c bridge")
    assert (tmp_path / "theirs").read_text() == "theirs\n"


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_a_history_and_keys_that_the_terminal_has_no_characters_for(unchanged, tmp_path, locale):
    (tmp_path / "ovstool").mkdir()
    (tmp_path / "ovstool/history").write_bytes("port show é\n".encode() + bytes(range(256)) + b"\n")
    with typed_shell([], unchanged.environ | {"PYTHONIOENCODING": "utf-8:strict"}, tmp_path, locale) as shell:
        assert "port é: no such port" in shell.type("port show é")
        assert "not valid UTF-8" in shell.type("port show \udce9\udcff x")
        assert shell.type("bridge list -f value -c bridge") == "br0\n"
    assert (tmp_path / "ovstool/history").read_bytes().endswith("\nport show é\nbridge list -f value -c bridge\n".encode())


def test_what_is_printed_goes_to_a_program_or_a_file(unchanged, tmp_path):
    script = f"""port list -f value -c port | grep -v br0
        bridge list -f value -c bridge > '{tmp_path}/a file'
        bridge list -f value -c bridge >> '{tmp_path}/a file'
        sandbox run --dir {unchanged.box.directory} -- ovs-vsctl list-br | tr b B
        port list | true
        version
    """
    code, out, err = run_script(unchanged, script)
    assert (code, err, out.splitlines()[:3]) == (0, "", ["eth1", "eth2", "Br0"]) and out.splitlines()[3].startswith("ovstool ")
    assert (tmp_path / "a file").read_text() == "br0\nbr0\n"


def test_a_script_from_windows(unchanged, tmp_path):
    script = f"""port list -f value -c port | \\
            grep eth1
        bridge list -f value \\
            -c bridge > {tmp_path}/bridges
    """
    data = b"\xef\xbb\xbf" + script.replace("\n", "\r\n").encode()
    assert run_script(unchanged, data) == (0, "eth1\n", "")
    assert (tmp_path / "bridges").read_text() == "br0\n"


def test_a_script_ends_at_the_first_failure(unchanged, tmp_path):
    (tmp_path / "flows").write_text("priority=7,actions=drop\n")
    assert run_script(unchanged, "\n# a comment\nport show eth9\nversion\n")[::2] == (
        3,
        "ovstool: stdin:3: port eth9: no such port; try: eth2 or eth1\n",
    )
    assert run_script(unchanged, "port list | grep nosuch\nversion\n") == (1, "", "ovstool: stdin:1: note: exit code 1\n")
    assert run_script(unchanged, "port show eth9 | cat\n")[0] == 3
    assert run_script(unchanged, "version | nosuch-program 2>/dev/null\n")[0] == 127
    for path, why in (("/nosuch/file", "No such file or directory"), ("/", "Is a directory")):  # the command is not run
        assert run_script(unchanged, f"bridge add br9 > {path}\n") == (2, "", f"ovstool: stdin:1: {path}: {why}\n")
    assert "br9" not in unchanged.vsctl("list-br")
    assert run_script(unchanged, "version > $NOSUCH/nosuch/file 2>/dev/null\n")[0] == 2
    said = "ovstool: stdin:1: /bin/sh: cannot be run: Argument list too long\n"
    assert run_script(unchanged, f"version | echo {'x' * 200_000}\n") == (6, "", said)
    code, out, err = run_script(unchanged, f"flow diff br0 --file {tmp_path}/flows\nversion\n")
    assert (code, err) == (1, "ovstool: stdin:1: note: exit code 1\n") and "priority=7" in out and "\novstool" not in out
    code, out, err = run_script(unchanged, "port show eth9\nbridge list -f value -c bridge\nport show eth8\n", "--keep-going")
    assert (code, out) == (3, "br0\n") and [line.split(": ")[1] for line in err.splitlines()] == ["stdin:1", "stdin:3"]


def test_a_script_is_not_read_by_its_commands(switch):
    switch.tool("ovs-ofctl", "add-flow", "br0", "priority=7,actions=drop")
    before = switch.tool("ovs-ofctl", "dump-flows", "br0", "--no-stats")
    code, _, err = run_script(switch, "flow replace br0 --file -\npriority=1,actions=drop\n")
    assert code == 2 and err.startswith("ovstool: stdin:1: ") and "Bad file descriptor" in err
    assert switch.tool("ovs-ofctl", "dump-flows", "br0", "--no-stats") == before


def test_all_commands_of_a_script_use_one_connection(switch):
    lines = ["stats eth1", "qos set eth1 --max-rate 10mbit", "port show eth9", "qos show eth1", "flow list br0", "qos clear eth1"]
    code, _, err = run_script(switch, "\n".join(lines), "--keep-going", "-v")
    assert code == 3 and err.count(": echo\n") == len(lines) - 1, err  # each command but the first finds it open
    assert switch.orphans() == []


def test_a_reader_that_leaves_ends_the_shell_quietly(unchanged):
    argv = f"yes version | {sys.executable} -m ovstool shell | head -2; exit ${{PIPESTATUS[1]}}"
    done = subprocess.run(["bash", "-c", argv], env=unchanged.environ, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (141, 2, "")
