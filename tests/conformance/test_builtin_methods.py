"""Every built-in method keeps the contract that it asks of others, with its default parameters."""

from __future__ import annotations

from radiolucent.plugins import load_registry
from radiolucent.plugins.conformance import MethodConformance

for _name, _method in load_registry(()).methods.items():
    _title = f"Test{_name.title().replace('_', '')}"
    globals()[_title] = type(_title, (MethodConformance,), {"method": _method, "__module__": __name__})
