"""One program made of entry points, and the server that a command may start for itself."""
# ruff: noqa: ANN001 - fixtures are typed where they are made

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from importlib import metadata
from importlib.metadata import EntryPoint
from pathlib import Path

import psutil
import pytest
from radiolucent import __version__
from radiolucent.client import ServerNotStarted, local_server
from radiolucent.client.extras import commands, missing
from radiolucent.client.program import build
from rich.console import Console

COMMANDS = ("models", "methods", "card", "classify", "explain", "batch")
CLASSIFY = EntryPoint("classify", "radiolucent.client.commands:classify", "radiolucent.commands")


@pytest.fixture
def install(tmp_path, monkeypatch):  # noqa: ANN201
    """Install a distribution that brings commands."""

    def write(name: str, metadata_lines: list[str], entry_points: list[str], code: str = "") -> Path:
        folder = tmp_path / "site"
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", *metadata_lines]
        (info / "METADATA").write_text("\n".join(lines) + "\n")
        (info / "entry_points.txt").write_text("\n".join(["[radiolucent.commands]", *entry_points]) + "\n")
        (folder / f"{name}.py").write_text(textwrap.dedent(code))
        if str(folder) not in sys.path:
            monkeypatch.syspath_prepend(str(folder))
        return folder

    return write


def run(points: dict[str, EntryPoint], *words: str) -> int:
    try:
        build(points, words)(list(words), prog_name="radiolucent")
    except SystemExit as left:
        return int(left.code or 0)
    return 0


def test_the_client_s_commands_are_installed() -> None:
    found = commands()
    for name in COMMANDS:
        assert found[name].value == f"radiolucent.client.commands:{name}"
        assert missing(found[name]) == ()


def test_help_lists_the_commands_and_the_exit_codes(program) -> None:
    ran = program("--help")
    assert ran.code == 0
    assert all(f"  {name} " in ran.out for name in COMMANDS)
    assert "130 stopped" in ran.out
    assert "Research use only. Not for diagnosis." in ran.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(program, name) -> None:
    assert program(name, "--help").code == 0


def test_the_version_is_shown(program) -> None:
    ran = program("--version")
    assert (ran.code, ran.out, ran.err) == (0, f"radiolucent {__version__}\n", "")


@pytest.mark.parametrize("points", [{}, {"classify": CLASSIFY}])
def test_the_version_needs_no_command(capsys, points) -> None:
    assert run(points, "--version") == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == (f"radiolucent {__version__}\n", "")


def test_help_loads_nothing_slow() -> None:
    code = (
        "import sys\nfrom importlib.metadata import EntryPoint\nfrom radiolucent.client.program import build\n"
        f"build({{n: EntryPoint(n, 'radiolucent.client.commands:' + n, '') for n in {COMMANDS!r}}}, ['--help'])"
        "(['--help'], standalone_mode=False)\nprint('LOADED', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=True)
    loaded = done.stdout.split("LOADED ")[1].split()
    assert not {"torch", "matplotlib", "pyarrow", "PIL"} & set(loaded)


def test_a_command_of_another_distribution_runs(install, capsys) -> None:
    install("hello_command", [], ["hello = hello_command:hello"], "def hello():\n    'Greet.'\n    print('good day')\n")
    points = {"hello": commands()["hello"], "classify": CLASSIFY}
    assert run(points, "hello") == 0
    assert "good day" in capsys.readouterr().out
    assert run(points, "--help") == 0
    assert "Greet." in capsys.readouterr().out


def test_ours_win_over_another_distribution_s_command_of_the_same_name(install) -> None:
    install("grabber", [], ["classify = grabber:classify"])
    assert commands()["classify"].value == "radiolucent.client.commands:classify"


@pytest.mark.parametrize("code", ["import nothing_of_this_name", "syntax error", "raise RuntimeError('boom')", ""])
def test_a_broken_command_does_not_break_the_others(install, capsys, code) -> None:
    install("broken_command", [], ["broken = broken_command:command"], code)
    points = {"broken": commands()["broken"], "classify": CLASSIFY}
    assert run(points, "--help") == 0
    assert "classify" in capsys.readouterr().out
    assert run(points, "broken", "--anything", "at all") == 1
    assert "broken cannot be loaded" in capsys.readouterr().err


def test_a_command_whose_extra_is_missing_is_not_listed_and_says_what_to_install(install, capsys) -> None:
    install(
        "wanting",
        [
            "Provides-Extra: inner",
            "Provides-Extra: outer",
            "Provides-Extra: other",
            'Requires-Dist: wanting[inner]; extra == "outer"',
            'Requires-Dist: nothing-of-this-name>=2; extra == "inner"',
            'Requires-Dist: numpy<1; extra == "outer"',
            'Requires-Dist: another-absent; extra == "other"',
            'Requires-Dist: never-here; python_version < "3" and extra == "inner"',
        ],
        ["dream = wanting:dream [outer]", "sleep = wanting:sleep"],
        "def sleep():\n    'Rest.'\n",
    )
    points = {"dream": commands()["dream"], "sleep": commands()["sleep"], "classify": CLASSIFY}
    version = metadata.version("numpy")
    assert set(missing(points["dream"])) == {f"numpy<1 (there is {version})", "nothing-of-this-name>=2"}
    assert run(points, "--help") == 0
    shown = capsys.readouterr().out
    assert "sleep" in shown
    assert "dream" not in shown
    assert run(points, "dream", "--port", "3") == 1
    assert "pip install 'wanting[outer]'" in capsys.readouterr().err


# A server of one's own. The real one is in tests/integration.

FAKE_SERVE = """
import json, os, signal, subprocess, sys, time
mode, arguments = os.environ["FAKE_SERVE"], sys.argv[1:]
if mode == "fails":
    print("starting\\nthere is no model set. Make one with radiolucent export.", file=sys.stderr)
    sys.exit(1)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
def leave(*_):
    child.kill()
    sys.exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if mode == "hangs" else leave)
ready = arguments[arguments.index("--ready-file") + 1]
open(os.environ["FAKE_PIDS"], "w").write(f"{os.getpid()} {child.pid}")
open(ready + ".new", "w").write(json.dumps({"address": "127.0.0.1:7", "arguments": arguments}))
os.replace(ready + ".new", ready)
time.sleep(600)
"""


@pytest.fixture
def fake_serve(tmp_path, monkeypatch):  # noqa: ANN201
    """Makes the program that is started one that only pretends to serve."""
    script, pids = tmp_path / "serve.py", tmp_path / "pids"
    script.write_text(FAKE_SERVE)
    monkeypatch.setattr(local_server, "_PROGRAM", [sys.executable, str(script)])
    monkeypatch.setattr(local_server, "_check_installed", lambda: None)
    monkeypatch.setenv("FAKE_PIDS", str(pids))

    def mode(name: str) -> Path:
        monkeypatch.setenv("FAKE_SERVE", name)
        return pids

    return mode


def gone(pids: Path) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        running = [int(pid) for pid in pids.read_text().split() if psutil.pid_exists(int(pid))]
        if all(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE for pid in running):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt, SystemExit])
def test_the_server_is_stopped_whatever_happens(fake_serve, error) -> None:
    pids = fake_serve("serves")

    def use() -> None:
        with local_server.local_server(Path("models"), Console(stderr=True)) as address:
            assert address == "127.0.0.1:7"
            if error is not None:
                raise error

    if error is None:
        use()
    else:
        with pytest.raises(error):
            use()
    assert gone(pids)


def test_a_server_that_hangs_is_killed_with_all_it_started(fake_serve, monkeypatch) -> None:
    pids = fake_serve("hangs")
    monkeypatch.setattr(local_server, "_STOP_TIMEOUT_S", 0.3)
    with local_server.local_server(None, Console(stderr=True)):
        pass
    assert gone(pids)


def test_a_server_that_does_not_start_says_why(fake_serve) -> None:
    fake_serve("fails")
    with (
        pytest.raises(ServerNotStarted, match=r"there is no model set\. Make one with radiolucent export"),
        local_server.local_server(None, Console(stderr=True)),
    ):
        pass


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_sigterm_and_a_closed_terminal_stop_the_server_too(fake_serve, signum) -> None:
    pids = fake_serve("serves")

    def wait() -> None:
        with local_server.local_server(None, Console(stderr=True)):
            try:
                os.kill(os.getpid(), signum)
                time.sleep(5)
            finally:
                os.kill(os.getpid(), signum)  # a shell repeats what the terminal said
                time.sleep(0.01)

    before = signal.signal(signum, signal.SIG_DFL)
    try:
        with pytest.raises(SystemExit) as left:
            wait()
        assert left.value.code == 128 + signum
        assert gone(pids)
        assert signal.getsignal(signum) is signal.SIG_DFL
    finally:
        signal.signal(signum, before)


def test_what_breaks_on_the_way_out_of_a_signal_is_not_how_the_command_ended(fake_serve) -> None:
    pids = fake_serve("serves")

    def wait() -> None:
        with local_server.local_server(None, Console(stderr=True)):
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(5)
            finally:
                raise RuntimeError("half a line was written")

    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with pytest.raises(SystemExit) as left:
            wait()
        assert left.value.code == 128 + signal.SIGTERM
        assert gone(pids)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_under_nohup_a_closed_terminal_stops_nothing(fake_serve) -> None:
    pids = fake_serve("serves")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with local_server.local_server(None, Console(stderr=True)):
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.01)
            assert psutil.pid_exists(int(pids.read_text().split()[0]))
    finally:
        signal.signal(signal.SIGHUP, before)
    assert gone(pids)


def test_without_a_server_the_error_says_what_to_do(monkeypatch, program, xray) -> None:
    monkeypatch.setattr(local_server, "commands", dict)
    monkeypatch.delenv("RADIOLUCENT_ADDRESS", raising=False)
    ran = program("classify", xray)
    assert ran.code == 3
    assert "--address HOST:PORT" in ran.err
    assert "pip install 'radiolucent[server]'" in ran.err
