"""A server that belongs to another program ends with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_SERVER = """
import asyncio, subprocess, sys
from pathlib import Path
from radiolucent.server.owner import Owner

async def serve(owner):
    lost = asyncio.Event()
    owner.watch(asyncio.get_running_loop(), lost.set)
    child = subprocess.run([sys.executable, "-c", "import sys; print(len(sys.stdin.read()))"], stdout=subprocess.PIPE)
    print("child read", child.stdout.decode().strip(), flush=True)
    if sys.argv[2] == "waits":
        await lost.wait()

with Owner(Path(sys.argv[1])) as owner:
    asyncio.run(serve(owner))
print("over", flush=True)
"""


def start(folder: Path, mode: str) -> subprocess.Popen[bytes]:
    folder.mkdir()
    (folder / "server.log").write_text("")
    return subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(folder), mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def test_when_the_owner_is_gone_the_server_ends_and_takes_the_folder_away(tmp_path: Path) -> None:
    folder = tmp_path / "owned"
    with start(folder, "waits") as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(b"no end yet")
        server.stdin.flush()
        assert server.stdout.readline() == b"child read 0\n"  # nothing of the pipe is for children
        assert folder.exists()
        server.stdin.close()
        assert server.stdout.readline() == b"over\n"
    assert not folder.exists()


def test_while_the_owner_lives_the_folder_is_the_owner_s(tmp_path: Path) -> None:
    folder = tmp_path / "owned"
    with start(folder, "ends by itself") as server:
        assert server.wait(20) == 0
        assert (folder / "server.log").exists()
