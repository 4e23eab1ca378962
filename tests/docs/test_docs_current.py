import importlib.util
import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PAGES = sorted([*CHECKOUT.glob("docs/*.md"), CHECKOUT / "README.md"])

_spec = importlib.util.spec_from_file_location("generate_docs", CHECKOUT / "docs" / "generate.py")
assert _spec is not None
assert _spec.loader is not None
generate_docs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate_docs)


@pytest.mark.parametrize("name", generate_docs.GENERATED)
def test_the_generated_parts_are_current(name: str) -> None:
    page = CHECKOUT / "docs" / name
    assert generate_docs.render(page) == page.read_text(encoding="utf-8"), "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_of_a_page_exist(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_folder_of_the_package_is_on_the_readmes_map() -> None:
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    packages = {path.parent.name for path in CHECKOUT.glob("*/__init__.py")}
    assert {name for name in packages if f"`{name}/`" not in text} == set()
