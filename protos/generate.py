"""Generate the Python code of the contract: ``python -m radiolucent.protos.generate [DIRECTORY]``.

The generator writes absolute imports (``from radiolucent.v1 import image_pb2``), which would name another package
than the one the code lives in; they are made relative here.
"""

import re
import sys
from importlib import resources
from pathlib import Path

PROTOS = Path(__file__).parent
_ABSOLUTE = re.compile(r"^from radiolucent\.v1 import", flags=re.MULTILINE)


def generate(destination: Path) -> list[Path]:
    """Write messages, services and their type stubs below a directory.

    Parameters
    ----------
    destination
        Directory that receives ``radiolucent/v1/*``.

    Returns
    -------
    list of Path
        The files written, sorted.

    Raises
    ------
    RuntimeError
        If the compiler refuses the protos.
    """
    from grpc_tools import protoc

    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.glob("radiolucent/v1/*.proto"))
    options = [f"--{kind}={destination}" for kind in ("python_out", "grpc_python_out", "mypy_out", "mypy_grpc_out")]
    includes = [f"-I{PROTOS}", f"-I{resources.files('grpc_tools') / '_proto'}"]
    if protoc.main(["protoc", *includes, *options, *sources]):
        raise RuntimeError("protoc refused the protos; its message is above")
    for path in destination.glob("radiolucent/v1/*_pb2*.py*"):
        path.write_text(_ABSOLUTE.sub("from . import", path.read_text()))
    for path in destination.glob("radiolucent/v1/*_pb2_grpc.py"):
        if "class " not in path.read_text():  # a file of messages alone has no service
            path.unlink()
            path.with_suffix(".pyi").unlink()
    return sorted(destination.glob("radiolucent/v1/*_pb2*.py*"))


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else PROTOS)
