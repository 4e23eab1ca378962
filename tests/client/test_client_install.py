"""What the client needs, and what it does not."""

from __future__ import annotations

import subprocess
import sys

BLOCKED = (
    "torch",
    "pydicom",
    "gdcm",
    "ray",
    "captum",
    "onnxruntime",
    "tritonclient",
    "structlog",
    "pluggy",
    "lightning",
)
OURS = ("handlers", "plugins", "server", "training", "evaluation")

BLOCKER = f"""
import importlib.abc, sys
BLOCKED = {BLOCKED!r} + tuple("radiolucent." + name for name in {OURS!r})
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if any(name == one or name.startswith(one + ".") for one in BLOCKED):
            raise ImportError(f"the client imported {{name}}")
sys.meta_path.insert(0, Blocker())
"""


def _run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKER + code], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_of_the_client_imports_without_the_server_side() -> None:
    _run(
        "import pkgutil, importlib, radiolucent.client as c\n"
        "for module in pkgutil.walk_packages(c.__path__, c.__name__ + '.'):\n"
        "    importlib.import_module(module.name)\n"
    )


def test_everything_that_is_exported_exists() -> None:
    _run("import radiolucent.client as c\nassert all(hasattr(c, name) for name in c.__all__)\n")


def test_importing_the_client_loads_nothing_slow() -> None:
    modules = _run("import sys, radiolucent.client\nprint('\\n'.join(sys.modules))").split()
    assert not {"matplotlib", "pyarrow", "PIL", "typer", "rich"} & set(modules)
