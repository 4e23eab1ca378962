"""The paper's finding, sentence by sentence: what these numbers say to it, by rules that were fixed beforehand."""

from .asking import claims_of
from .untestable import untestable

__all__ = ["claims_of", "untestable"]
