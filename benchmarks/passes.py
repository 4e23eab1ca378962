"""Forward and backward passes of every form of a network, and how far they are from the cores' peak."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import onnxruntime
import torch
from radiolucent.handlers.lifting import fold
from torch.utils.flop_counter import FlopCounterMode

from .context import Context
from .ratios import in_turn, ratio, spread, verdict, written
from .subjects import SIDE, Subject, as_the_server, forward, input_gradient, open_subject, subject_names

TITLE = "Forward and backward passes"

ROUNDS = {1: 15, 4: 11, 16: 7}
"""By images at once; a short run has five, of the first two."""
SGEMM = 2048
"""Rows and columns of the matrices whose product says what the cores can do."""
FORWARD = ("TorchScript", "lifted", "lifted, channels-last", "folded", "ONNX Runtime")
BACKWARD = FORWARD[:-1]
"""The folded form's gradients are for methods that average many of them."""
OURS = ("lifted", "folded")
"""What is served beside the copy."""


def measure(context: Context) -> dict[str, Any]:
    """Time all forms in turn, with a product of matrices among them."""
    matrix = torch.rand(SGEMM, SGEMM)
    rows = []
    for name in subject_names(context, short=("resnet18", "inception_v3")):
        subject = open_subject(context, name)
        if subject.network.graph_of(subject.script) is None:
            context.say(f"{name} cannot be lifted, and is left out")
            continue
        forms = _forms(subject, context.threads)
        gigaflop = _gigaflop(subject)
        for batch, rounds in tuple(ROUNDS.items())[: 2 if context.short else None]:
            images = subject.image(context.films[0]).repeat(batch, 1, 1, 1)
            sides: dict[str, Callable[[], object]] = {"sgemm": lambda: torch.mm(matrix, matrix)}
            sides |= {f"forward, {form}": partial(forward, run, images) for form, run in forms.items()}
            sides |= {f"backward, {form}": partial(input_gradient, forms[form], images, 0) for form in BACKWARD}
            with as_the_server():
                in_turn(sides, 1)  # warm-up
                times = in_turn(sides, 5 if context.short else rounds)
            per_second = 2 * SGEMM**3 / spread(times.pop("sgemm"))["median"] / 1e9
            base = {kind: times[f"{kind}, {FORWARD[0]}"] for kind in ("forward", "backward")}
            served = "forward, folded"
            for what, seconds in times.items():
                kind, _, form = what.partition(", ")
                rows.append(
                    {
                        "network": name,
                        "batch": batch,
                        "kind": kind,
                        "form": form,
                        "ms_per_image": spread([1000 * one / batch for one in seconds]),
                        "ratio": spread([first / one for first, one in zip(base[kind], seconds, strict=True)]),
                        "served_ratio": ratio(seconds, times[served]) if form == FORWARD[-1] else None,
                        "gigaflop": gigaflop[kind],
                        "peak_gigaflops": round(per_second, 1),
                    }
                )
            context.say(f"{name}, batch {batch}: {per_second:.0f} GFLOP/s at most")
    return {"side": SIDE, "sgemm": SGEMM, "rows": rows}


def _forms(subject: Subject, threads: int) -> dict[str, Callable[[torch.Tensor], Any]]:
    lifted = subject.network.lifted()
    folded = fold(lifted)
    last = _channels_last(lifted)
    forms: dict[str, Callable[[torch.Tensor], Any]] = {
        "TorchScript": subject.script,
        "lifted": lifted,
        "lifted, channels-last": lambda images: last(images.contiguous(memory_format=torch.channels_last)),
        "folded": folded,
    }
    if (file := subject.folder / "model.onnx").is_file():
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        (given,) = session.get_inputs()
        forms["ONNX Runtime"] = lambda images: session.run(None, {given.name: images.numpy()})
    return forms


def _channels_last(lifted: torch.fx.GraphModule) -> torch.nn.Module:
    """Return a copy of a lifted network whose weights lie channels-last, and nothing else is different."""
    return copy.deepcopy(lifted).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _gigaflop(subject: Subject) -> dict[str, float]:
    """Count floating-point operations of convolutions and products of matrices, two for a multiply-add, per image."""
    lifted = subject.network.lifted()
    points = torch.zeros(1, subject.spec().channels, SIDE, SIDE, requires_grad=True)
    found = {}
    with FlopCounterMode(display=False) as counter:
        outputs = lifted(points.clone())
        found["forward"] = round(counter.get_total_flops() / 1e9, 2)
        torch.autograd.grad(outputs[:, 0].sum(), points)
        found["backward"] = round(counter.get_total_flops() / 1e9, 2)
    return found


def markdown(measured: Mapping[str, Any]) -> str:
    """Write the table."""
    rows = measured["rows"]
    side, sgemm = measured["side"], measured["sgemm"]
    lines = [
        f"One image of {side} pixels in batches, milliseconds per image; *backward* is a pass forth and back for one "
        f"output, to the input alone (weights have no gradients). The share of the peak is against the product of two "
        f"matrices of {sgemm} x {sgemm} in the same rounds; operations are those of convolutions and linear layers. "
        f"`x` is how many times as fast as the TorchScript copy, with quartiles. Methods that need forward passes "
        f"alone, or average gradients of many points, take the folded form, which is channels-last; methods of a "
        f"single gradient take the copy, and those that look at layers the lifted network. *Lifted, channels-last* is "
        f"served nowhere; it tells folding and layout apart.",
    ]
    for kind, forms in (("forward", FORWARD), ("backward", BACKWARD)):
        chosen = [row for row in rows if row["kind"] == kind]
        last = " ONNX Runtime / the served form |" if kind == "forward" else ""
        lines += [
            "",
            f"| {kind}: network, batch | GFLOP | {' | '.join(forms)} |{last}",
            "|---|---|" + "---|" * len(forms) + "---|" * bool(last),
        ]
        for network, batch in dict.fromkeys((row["network"], row["batch"]) for row in chosen):
            of = {row["form"]: row for row in chosen if (row["network"], row["batch"]) == (network, batch)}
            cells = [f"{network}, {batch}", str(of[forms[0]]["gigaflop"]), *(_cell(of.get(form)) for form in forms)]
            if last:
                rival = of.get(FORWARD[-1])
                cells.append("not measured" if rival is None else verdict(rival["served_ratio"]))
            lines.append(f"| {' | '.join(cells)} |")
    peaks = spread([row["peak_gigaflops"] for row in rows])
    lines += ["", f"Peak in these rounds: {peaks['median']:.0f} GFLOP/s ({peaks['low']:.0f} to {peaks['high']:.0f})."]
    return "\n".join(lines)


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "not measured"
    share = 1000 * row["gigaflop"] / row["ms_per_image"]["median"] / row["peak_gigaflops"]
    text = f"{row['ms_per_image']['median']:.1f} ms, {share:.0%} of the peak"
    if row["form"] == FORWARD[0]:
        return text
    return f"{text}, {(verdict if row['form'] in OURS else written)(row['ratio'])}"
