"""Every built-in method keeps the contract that others are held to."""

from __future__ import annotations

from radiolucent.plugins import load_registry
from radiolucent.plugins.conformance import MethodConformance

PARAMETERS = {
    # It computes as many windows as it needs; for this error, all of them.
    "approximate_occlusion": {"max_error": 0, "window": 0.25},
    # It takes as many points as it needs; for this error the kit's network needs the most that it may take.
    "integrated_gradients": {"max_error": 1e-4, "max_steps": 45},
    # What it costs is bounded by a parameter; this is the number of feature maps in the kit's network.
    "score_cam": {"channels": 16},
    # Fewer steps on the way: the slowest, and as good a proof.
    "noise_tunnel_integrated_gradients": {"steps": 16},
    "xrai": {"steps": 16},
}

for _name, _method in load_registry(()).methods.items():
    _title = f"Test{_name.title().replace('_', '')}"
    _members = {"method": _method, "parameters": PARAMETERS.get(_name, {}), "__module__": __name__}
    globals()[_title] = type(_title, (MethodConformance,), _members)
