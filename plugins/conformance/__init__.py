"""A kit that proves that a method keeps its contract: run by pytest, on one's own method, in five lines.

::

    from my_package import MyMethod
    from radiolucent.plugins.conformance import MethodConformance

    class TestMyMethod(MethodConformance):
        method = MyMethod()

Needs pytest besides ``radiolucent[plugins]``.
"""

from .breach import Breach
from .suite import MethodConformance, breaches

__all__ = ["Breach", "MethodConformance", "breaches"]
