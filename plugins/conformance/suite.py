"""The tests that a method's author runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import pytest

from ..contract import Method
from .breach import Breach
from .check_cancellation import check_cancellation, check_every_pass_counts
from .check_completeness import check_completeness
from .check_declarations import check_declarations
from .check_files import check_files
from .check_progress import check_first_partial, check_progress
from .check_repetition import check_determinism, check_no_memory, check_random_state
from .check_sharing import check_sharing
from .check_targets import check_target_sensitivity, check_targets_together
from .check_traces import check_hooks, check_nothing_changed
from .subject import Subject

__all__ = ["CHANNELS", "CHECKS", "MethodConformance", "breaches"]

CHANNELS = (1, 3)
"""Of the networks on which a method is tried."""

CHECKS: tuple[Callable[[Subject], None], ...] = (
    check_declarations,
    check_files,
    check_target_sensitivity,
    check_targets_together,
    check_completeness,
    check_determinism,
    check_no_memory,
    check_sharing,
    check_random_state,
    check_progress,
    check_first_partial,
    check_cancellation,
    check_every_pass_counts,
    check_hooks,
    check_nothing_changed,
)


def breaches(
    method: Method[Any], parameters: Mapping[str, Any] | None = None, *, streams: bool = True
) -> Iterator[tuple[str, str]]:
    """Yield what a method has to mend, without pytest: the name of the check and what it says.

    Parameters
    ----------
    method : Method
        The method.
    parameters : mapping, optional
        Parameters by name, for instance fewer samples than the default.
    streams : bool
        Whether long runs must yield partial maps.
    """
    for channels in CHANNELS:
        subject = Subject(method, parameters or {}, channels, streams=streams)
        for check in CHECKS:
            try:
                check(subject)
            except Breach as breach:  # noqa: PERF203 - every check has its say
                yield check.__name__, str(breach)
            except Exception as error:  # noqa: BLE001 - the method's own
                yield check.__name__, f"the method raised {type(error).__name__}: {error}"


class MethodConformance:
    """Tests that a method keeps its contract.

    A subclass in a test file names the method::

        from my_package import MyMethod
        from radiolucent.plugins.conformance import MethodConformance

        class TestMyMethod(MethodConformance):
            method = MyMethod()

    Every test runs on networks of one and of three channels.
    """

    method: ClassVar[Method[Any]]
    """The method."""
    parameters: ClassVar[Mapping[str, Any]] = {}
    """Parameters by name, as JSON values; what is absent takes its default."""
    streams: ClassVar[bool] = True
    """Whether a long run must yield partial maps. False where a part of the work tells nothing of the whole."""

    _subjects: ClassVar[dict[int, Subject]]
    """Shared by the tests of a class: what all of them look at runs once."""

    def __init_subclass__(cls, **keywords: object) -> None:
        super().__init_subclass__(**keywords)
        cls._subjects = {}

    @pytest.fixture(params=CHANNELS, ids=("one_channel", "three_channels"))
    def subject(self, request: pytest.FixtureRequest) -> Subject:
        """Return the method on networks of some channels."""
        channels: int = request.param
        if channels not in self._subjects:
            self._subjects[channels] = Subject(self.method, self.parameters, channels, streams=self.streams)
        return self._subjects[channels]

    def test_clients_can_be_told_what_it_is(self, subject: Subject) -> None:
        """Class variables are set; parameters have defaults, descriptions and a JSON Schema."""
        _judge(check_declarations, subject)

    def test_it_explains_a_file(self, subject: Subject) -> None:
        """A PNG through the runner gives maps of the declared shape and type."""
        _judge(check_files, subject)

    def test_a_map_is_of_its_own_target(self, subject: Subject) -> None:
        """Two outputs that look at disjoint patches get maps of these patches."""
        _judge(check_target_sensitivity, subject)

    def test_targets_together_get_the_maps_they_get_alone(self, subject: Subject) -> None:
        """The other targets and their order change no map."""
        _judge(check_targets_together, subject)

    def test_it_is_as_complete_as_it_says(self, subject: Subject) -> None:
        """The sum of a map is the change of the output: exactly, in expectation, or not claimed."""
        _judge(check_completeness, subject)

    def test_the_same_request_gives_the_same_bits(self, subject: Subject) -> None:
        """The global random states play no part."""
        _judge(check_determinism, subject)

    def test_an_earlier_request_changes_nothing(self, subject: Subject) -> None:
        """There is no state between calls."""
        _judge(check_no_memory, subject)

    def test_what_is_shared_is_what_it_would_compute(self, subject: Subject) -> None:
        """What an earlier run left in `model.known` gives the same bits, and saves passes where it says so."""
        _judge(check_sharing, subject)

    def test_random_numbers_of_others_stay_as_they_are(self, subject: Subject) -> None:
        """The global random states are not touched."""
        _judge(check_random_state, subject)

    def test_progress_is_what_cost_says(self, subject: Subject) -> None:
        """Reports rise from 0 to a total that is the cost."""
        _judge(check_progress, subject)

    def test_a_first_map_comes_soon(self, subject: Subject) -> None:
        """A long run yields a partial map before 20 % of its forward passes."""
        _judge(check_first_partial, subject)

    def test_it_stops_when_it_is_cancelled(self, subject: Subject) -> None:
        """`Cancelled` from the next forward pass ends it."""
        _judge(check_cancellation, subject)

    def test_every_forward_pass_goes_through_the_model(self, subject: Subject) -> None:
        """None calls the network behind it."""
        _judge(check_every_pass_counts, subject)

    def test_it_leaves_no_hook(self, subject: Subject) -> None:
        """After its end, a cancellation, or a closed generator."""
        _judge(check_hooks, subject)

    def test_it_changes_neither_image_nor_network_nor_modes(self, subject: Subject) -> None:
        """Weights, flags, the image and torch's grad mode are as before."""
        _judge(check_nothing_changed, subject)


def _judge(check: Callable[[Subject], None], subject: Subject) -> None:
    try:
        check(subject)
    except Breach as breach:
        # The traceback is the kit's; what to mend stands in the text.
        pytest.fail(str(breach), pytrace=False)
