# ruff: noqa: ANN001, ANN201, ANN202, ANN204 - thirty broken copies of one signature
"""A method that breaks its contract fails the kit, and is told what to mend."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from pydantic import Field
from radiolucent.plugins import Attribution, Completeness, Job, Method, Need, NotApplicable, Parameters
from radiolucent.plugins.conformance import Breach, breaches
from radiolucent.plugins.conformance.check_cancellation import check_cancellation
from radiolucent.plugins.conformance.subject import Subject
from radiolucent.plugins.methods import IntegratedGradients, Occlusion, Saliency

LEFT: list[Any] = []
"""Hooks that a broken method left; taken away after each test."""


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    while LEFT:
        LEFT.pop().remove()


class WrongShape(Saliency):
    def explain(self, model, image, targets, params, job):
        for one in super().explain(model, image, targets, params, job):
            yield replace(one, values=one.values[None])


class NotANumber(Saliency):
    def explain(self, model, image, targets, params, job):
        for one in super().explain(model, image, targets, params, job):
            yield replace(one, values=one.values * float("nan"))


class NoFinalMap(IntegratedGradients):
    def explain(self, model, image, targets, params, job):
        yield from (one for one in super().explain(model, image, targets, params, job) if not one.final)


class IgnoresTarget(Saliency):
    def explain(self, model, image, targets, params, job):
        [first, *_] = list(super().explain(model, image, [0, 1], params, job))
        for target in targets:
            yield replace(first, target=target)


class WritesIntoWhatIsShared(Saliency):
    def explain(self, model, image, targets, params, job):
        yield from super().explain(model, image, targets, params, job)
        for (name, *_), kept in list(model.known.items()):
            if name == "image_gradient":
                kept += 1


class SharesByTooLittle(Saliency):
    def explain(self, model, image, targets, params, job):
        for one in super().explain(model, image, targets, params, job):
            values = model.known.setdefault("map", one.values)
            yield replace(one, values=values)
            model.known["map"] = one.values


class SharesNothing(Occlusion):
    def shared_passes(self, params):
        return "windows"


class NamesByAList(Saliency):
    def shared_passes(self, params):
        return ["image_gradient"]


class LooksAtAllOutputs(Saliency):
    def explain(self, model, image, targets, params, job):
        maps = list(super().explain(model, image, [0, 1], params, job))
        for target in targets:
            yield Attribution(target, sum(one.values for one in maps), 1.0, True)


class SharesNoise(Saliency):
    def explain(self, model, image, targets, params, job):
        draw = torch.Generator().manual_seed(0)
        for one in super().explain(model, image, targets, params, job):
            yield replace(one, values=one.values * (1 + 0.1 * torch.rand(one.values.shape, generator=draw)))


class LeaksHooks(Saliency):
    needs: ClassVar = frozenset({Need.GRADIENT, Need.MODULES})

    def explain(self, model, image, targets, params, job):
        LEFT.append(list(model.network.modules())[1].register_forward_hook(lambda *_: None))
        yield from super().explain(model, image, targets, params, job)


class LeaksHooksWhenCancelled(Saliency):
    def explain(self, model, image, targets, params, job):
        handle = model.register_forward_hook(lambda *_: None)
        LEFT.append(handle)
        yield from super().explain(model, image, targets, params, job)
        handle.remove()


class LeaksHooksWhenClosed(Saliency):
    def explain(self, model, image, targets, params, job):
        handle = model.register_forward_hook(lambda *_: None)
        LEFT.append(handle)
        try:
            maps = list(super().explain(model, image, targets, params, job))
        except BaseException:
            handle.remove()
            raise
        yield from maps
        handle.remove()


class SwallowsCancellation(Occlusion):
    def explain(self, model, image, targets, params, job):
        try:
            yield from super().explain(model, image, targets, params, job)
        except Exception:  # noqa: BLE001 - what it is broken for
            for target in targets:
                yield Attribution(target, torch.zeros_like(image[0]), 1.0, True)


class NeverGivesUp(Saliency):
    tries = 0

    def explain(self, model, image, targets, params, job):
        while True:
            self.tries += 1
            try:
                return (yield from super().explain(model, image, targets, params, job))
            except Exception:  # noqa: BLE001, S112 - what it is broken for
                continue


class RaisesAnother(Saliency):
    def explain(self, model, image, targets, params, job):
        try:
            yield from super().explain(model, image, targets, params, job)
        except Exception as error:
            raise RuntimeError("something went wrong") from error


class GradientCalledComplete(IntegratedGradients):
    """Its delta is honest, and large."""

    def explain(self, model, image, targets, params, job):
        for one in super().explain(model, image, targets, params, job):
            values = one.values * 1.5
            delta = one.convergence_delta
            delta = None if delta is None else delta + float(values.sum() - one.values.sum())
            yield replace(one, values=values, convergence_delta=delta)


class LiesAboutItsDelta(GradientCalledComplete):
    def explain(self, model, image, targets, params, job):
        for one in super().explain(model, image, targets, params, job):
            yield replace(one, convergence_delta=0.0) if one.final else one


class Seeded(Parameters):
    seed: int = Field(default=0, ge=0, lt=2**32, description="Of the random numbers.")


class BiasedInExpectation(Saliency):
    """A quarter too much, whatever the seed."""

    signed = True
    parameters: ClassVar = Seeded
    completeness = Completeness.IN_EXPECTATION

    def explain(self, model, image, targets, params, job):
        draw = torch.Generator().manual_seed(params.seed)
        ends = torch.cat([image, torch.zeros_like(image)])
        with torch.no_grad():
            value, empty = model(ends).double()
        job.progress(2, 2)
        for target in targets:
            change = float(value[target] - empty[target])
            values = torch.full_like(image[0], 1.25 * change / image.numel())
            noise = torch.randn(1, generator=draw).item() * 0.05 * change
            values[0, 0, 0] += noise
            yield Attribution(target, values, 1.0, True, float(values.double().sum()) - change)

    def cost(self, params, shape, targets):
        return 2


class GlobalRandomNumbers(Saliency):
    def explain(self, model, image, targets, params, job):
        for one in super().explain(model, image, targets, params, job):
            yield replace(one, values=one.values + torch.rand_like(one.values) * 1e-3)


class SeedsGlobally(Saliency):
    def explain(self, model, image, targets, params, job):
        torch.manual_seed(0)
        for one in super().explain(model, image, targets, params, job):
            yield replace(one, values=one.values + torch.rand_like(one.values) * 1e-9)


class Remembers(Saliency):
    def __init__(self):
        self.shapes: dict[int, torch.Tensor] = {}

    def explain(self, model, image, targets, params, job):
        for one in super().explain(model, image, targets, params, job):
            earlier = self.shapes.get(-1, torch.zeros_like(one.values))
            self.shapes[-1] = one.values
            yield replace(one, values=one.values + 0.1 * earlier)


class ChangesTheImage(Saliency):
    def explain(self, model, image, targets, params, job):
        yield from super().explain(model, image, targets, params, job)
        image *= 2


class WantsItsGradient(Saliency):
    def explain(self, model, image, targets, params, job):
        image.requires_grad_()
        yield from super().explain(model, image.detach(), targets, params, job)


class ChangesWeights(Saliency):
    def explain(self, model, image, targets, params, job):
        yield from super().explain(model, image, targets, params, job)
        with torch.no_grad():
            next(model.network.parameters()).add_(1e-7)


class TrainsTheNetwork(Saliency):
    def explain(self, model, image, targets, params, job):
        yield from super().explain(model, image, targets, params, job)
        model.train()


class SwitchesGradientsOff(Occlusion):
    def explain(self, model, image, targets, params, job):
        with torch.no_grad():
            yield from super().explain(model, image, targets, params, job)


class NoProgress(Saliency):
    def explain(self, model, image, targets, params, job):
        class Silent:
            check = job.check

            def progress(self, done, total):
                pass

        yield from super().explain(model, image, targets, params, Silent())


class StopsAtHalf(Saliency):
    def explain(self, model, image, targets, params, job):
        yield from super().explain(model, image, targets, params, _Reports(job, lambda done, total: (done, 2 * total)))


class CountsBackwards(Occlusion):
    def explain(self, model, image, targets, params, job):
        reports = _Reports(job, lambda done, total: (total - done, total))
        yield from super().explain(model, image, targets, params, reports)


class CountsAboveTheTotal(Saliency):
    def explain(self, model, image, targets, params, job):
        yield from super().explain(model, image, targets, params, _Reports(job, lambda done, total: (done + 1, total)))


class CountsInShares(Saliency):
    def explain(self, model, image, targets, params, job):
        yield from super().explain(model, image, targets, params, _Reports(job, lambda done, total: (done / total, 1)))


class CostsLess(Saliency):
    def explain(self, model, image, targets, params, job):
        with torch.no_grad():
            model(image.repeat(9, 1, 1, 1))
        yield from super().explain(model, image, targets, params, job)


class AdaptsMaybe(Saliency):
    def adaptive(self, params):
        return None


class CostsMore(Saliency):
    def explain(self, model, image, targets, params, job):
        yield from super().explain(model, image, targets, params, _Reports(job, lambda done, total: (total, total)))

    def cost(self, params, shape, targets):
        return 100 * super().cost(params, shape, targets)


class AnotherTotal(Saliency):
    def explain(self, model, image, targets, params, job):
        yield from super().explain(
            model, image, targets, params, _Reports(job, lambda done, total: (2 * total, 2 * total))
        )


class FirstMapAtTheEnd(Occlusion):
    def explain(self, model, image, targets, params, job):
        yield from (one for one in super().explain(model, image, targets, params, job) if one.final)


class GoesRoundTheModel(Saliency):
    def explain(self, model, image, targets, params, job):
        with torch.no_grad():
            model.network(image)
        yield from super().explain(model, image, targets, params, job)


class Refuses(Saliency):
    def check_network(self, network):
        raise NotApplicable("has no attention")


class Undescribed(Parameters):
    depth: int = 3


class NoDescription(Saliency):
    parameters: ClassVar = Undescribed


class _Reports:
    def __init__(self, job: Job, change: Callable[[int, int], tuple[float, float]]) -> None:
        self._job, self._change = job, change
        self.check, self.wants_partial = job.check, job.wants_partial

    def progress(self, done: int, total: int) -> None:
        self._job.progress(*self._change(done, total))


BROKEN: list[tuple[type[Method[Any]], str, str]] = [
    (WrongShape, "check_files", "image's shape [1, 48, 48], not [1, 1, 48, 48]"),
    (NotANumber, "check_files", "values must be finite"),
    (NoFinalMap, "check_files", "got no map with final=True"),
    (IgnoresTarget, "check_target_sensitivity", "explain model(...)[:, target] of the map's own target"),
    (LooksAtAllOutputs, "check_target_sensitivity", "where only another output looks"),
    (SharesNoise, "check_targets_together", "seed the generator anew for each target"),
    (LeaksHooks, "check_hooks", "when the method has ended, hooks are left on"),
    (LeaksHooksWhenCancelled, "check_hooks", "when the method is cancelled, hooks are left on model"),
    (LeaksHooksWhenClosed, "check_hooks", "no longer wanted (generator closed after the first), hooks are left on"),
    (SwallowsCancellation, "check_cancellation", "swallowed Cancelled and ended as if nothing had happened"),
    (NeverGivesUp, "check_cancellation", "went on and on; let radiolucent.plugins.Cancelled pass"),
    (RaisesAnother, "check_cancellation", "raised RuntimeError instead of Cancelled"),
    (GradientCalledComplete, "check_completeness", "is not complete: its sum is"),
    (LiesAboutItsDelta, "check_completeness", "no image that went through the model has such an output"),
    (BiasedInExpectation, "check_completeness", "the maps are not complete in expectation"),
    (GlobalRandomNumbers, "check_determinism", "torch.Generator().manual_seed(params.seed)"),
    (SeedsGlobally, "check_random_state", "changes the global random state of torch"),
    (Remembers, "check_no_memory", "keep no state between calls"),
    (WritesIntoWhatIsShared, "check_sharing", "do not write into it"),
    (SharesByTooLittle, "check_sharing", "key what is kept by all that it hangs on"),
    (SharesNothing, "check_sharing", "keep what they gave in model.known, or return None"),
    (NamesByAList, "check_sharing", "which has no hash"),
    (ChangesTheImage, "check_nothing_changed", "the image is changed; work on image.clone()"),
    (WantsItsGradient, "check_nothing_changed", "work on image.detach().clone()"),
    (ChangesWeights, "check_nothing_changed", "the network is changed (the values of"),
    (TrainsTheNetwork, "check_nothing_changed", "in evaluation mode became"),
    (SwitchesGradientsOff, "check_nothing_changed", "yield outside of `with torch.no_grad()`"),
    (NoProgress, "check_progress", "no progress is reported"),
    (StopsAtHalf, "check_progress", "end at job.progress(total, total)"),
    (CountsBackwards, "check_progress", "progress falls from"),
    (CountsAboveTheTotal, "check_progress", "0 <= done <= total"),
    (CountsInShares, "check_progress", "progress must be whole numbers"),
    (CostsLess, "check_progress", "cost says 5, but 10 samples went forward"),
    (CostsMore, "check_progress", "count a forward pass of a sample as 1"),
    (AdaptsMaybe, "check_progress", "adaptive must return True or False, not None"),
    (AnotherTotal, "check_progress", "report self.cost(...) as the total"),
    (FirstMapAtTheEnd, "check_first_partial", "yield the first partial map (final=False) before 20 %"),
    (GoesRoundTheModel, "check_every_pass_counts", "call model.network; call the model itself"),
    (Refuses, "check_progress", "the method refuses a network of convolutions"),
    (NoDescription, "check_declarations", "parameter 'depth' needs a description"),
]


@pytest.mark.parametrize(("method", "check", "text"), BROKEN, ids=[method.__name__ for method, _, _ in BROKEN])
def test_a_broken_method_is_told_what_to_mend(method: type[Method[Any]], check: str, text: str) -> None:
    found = []
    for name, said in breaches(method()):
        if name == check and text in said:
            return
        found.append((name, said))
    pytest.fail(f"not told so, but: {found}")


def test_a_method_whose_parts_tell_nothing_may_say_so() -> None:
    assert list(breaches(FirstMapAtTheEnd(), streams=False)) == []


def test_the_kit_gives_up_on_a_deaf_method_after_a_few_passes() -> None:
    method = NeverGivesUp()
    subject = Subject(method, {}, 1)
    subject.whole  # noqa: B018 - the run that tells how many passes there are
    before = method.tries
    with pytest.raises(Breach, match="went on and on"):
        check_cancellation(subject)
    assert 1 < method.tries - before <= 4


MINE = """
from radiolucent.plugins.conformance import MethodConformance
from radiolucent.plugins.methods import {base}

class Mine({base}):
{body}

class TestMine(MethodConformance):
    method = Mine()
"""
BREAKS = """
    def explain(self, *arguments):
        for one in super().explain(*arguments):
            yield type(one)(one.target, one.values[None], 1.0, True)
"""


@pytest.mark.parametrize(
    ("body", "code", "text"), [("    pass", 0, "30 passed"), (BREAKS, 1, "image's shape [1, 48, 48]")]
)
def test_pytest_collects_a_test_class_of_five_lines(tmp_path: Path, body: str, code: int, text: str) -> None:
    (tmp_path / "test_mine.py").write_text(MINE.format(base="Saliency", body=body))
    strict = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-W",
        "error",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
        "test_mine.py",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(strict, cwd=tmp_path, capture_output=True, text=True, timeout=120, env=environment)
    assert run.returncode == code, run.stdout + run.stderr
    assert text in run.stdout
    assert "Traceback" not in run.stdout
