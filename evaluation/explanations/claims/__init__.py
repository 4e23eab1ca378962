"""The paper's finding, sentence by sentence: what these numbers say to it, by rules that were fixed beforehand."""

from .asking import claims_of
from .evidence import RULE, Evidence
from .untestable import untestable

__all__ = ["RULE", "Evidence", "claims_of", "untestable"]
