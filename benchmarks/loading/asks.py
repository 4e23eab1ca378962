"""What is asked of the gateway, and what its client does then: drawn from a seed, so request n is always the same."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random

import numpy as np
from PIL import Image
from radiolucent.protos.radiolucent.v1 import explanation_pb2 as pb

__all__ = ["Ask", "Behaviour", "Served", "draw", "xrays"]


class Behaviour(Enum):
    """What a client does beside reading."""

    PLAIN = "plain"
    CLIENT_CANCELS = "client cancels its stream"
    CANCEL_JOB = "CancelJob from another connection"
    DEADLINE = "short deadline"
    COMES_BACK = "cut off, comes back"
    TWICE = "same request twice"
    SLOW = "slow reader"
    BAD = "bad input"


SHARES = {
    Behaviour.PLAIN: 34,
    Behaviour.CLIENT_CANCELS: 12,
    Behaviour.CANCEL_JOB: 12,
    Behaviour.DEADLINE: 12,
    Behaviour.COMES_BACK: 12,
    Behaviour.TWICE: 8,
    Behaviour.SLOW: 6,
    Behaviour.BAD: 4,
}
"""How often each is drawn, in percent."""

CALLERS = 4
"""Callers among which the requests are divided."""

# Cheap ones among them run long enough to be met by a cancel: a queue of these is what takes time.
METHODS: dict[str, dict[str, object]] = {
    "saliency": {},
    "input_x_gradient": {},
    "integrated_gradients": {"steps": 8},
    "occlusion": {"window": 0.25, "stride": 0.25},
    "deep_lift": {},
    "guided_backprop": {},
    "grad_cam": {},
    "layer_cam": {},
    "lrp": {},
    "smooth_grad": {},
    "rise": {"masks": 24},
    "lime": {"samples": 32},
}
FORWARD_ONLY = ("occlusion", "rise", "lime")
"""What can explain the vote itself."""

ENSEMBLE = "chest_xray"


@dataclass(frozen=True)
class Served:
    """What the gateway serves: networks that vote, by name, and their labels."""

    networks: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Ask:
    """One request and the course that its client will take.

    Attributes
    ----------
    number
        Its place in the series.
    behaviour
        What the client does.
    message
        What is sent.
    caller
        Number of the caller, from 0 on.
    after_events, then_s
        A client that cancels or is cut off does so this many seconds after this many events.
    returns
        How often a client that was cut off comes back; it is cut off again each time but the last.
    pause_s
        Seconds that it stays away, that it sleeps between events, or between the two equal requests.
    deadline_s
        Deadline of the call, seconds; None for none.
    """

    number: int
    behaviour: Behaviour
    message: pb.ExplainRequest
    caller: int
    after_events: int = 0
    then_s: float = 0.0
    returns: int = 0
    pause_s: float = 0.0
    deadline_s: float | None = None


def draw(seed: int, number: int, served: Served, files: Sequence[bytes]) -> Ask:
    """Draw request `number` of the series that a seed begins."""
    random = Random(f"{seed}-{number}")  # noqa: S311 - no secret
    behaviour = random.choices(list(SHARES), list(SHARES.values()))[0]
    message = _message(random, served, files)
    caller = random.randrange(CALLERS)
    match behaviour:
        case Behaviour.CLIENT_CANCELS:
            return Ask(number, behaviour, message, caller, random.randrange(6), random.uniform(0, 0.5))
        case Behaviour.CANCEL_JOB:  # whose job has a name from its first event on
            return Ask(number, behaviour, message, caller, 1 + random.randrange(6), random.uniform(0, 0.5))
        case Behaviour.DEADLINE:
            return Ask(number, behaviour, message, caller, deadline_s=random.choice((0.3, 1.0, 3.0, 6.0)))
        case Behaviour.COMES_BACK:
            message.keep_after_disconnect = True
            cut, returns = 1 + random.randrange(4), 1 + random.randrange(3)
            return Ask(number, behaviour, message, caller, cut, random.uniform(0, 0.3), returns, random.uniform(0, 2))
        case Behaviour.TWICE:
            return Ask(number, behaviour, message, caller, pause_s=random.uniform(0, 1))
        case Behaviour.SLOW:
            return Ask(number, behaviour, message, caller, pause_s=random.uniform(0.05, 0.5))
        case Behaviour.BAD:
            random.choice(_SPOILERS)(message)
    return Ask(number, behaviour, message, caller)


def _message(random: Random, served: Served, files: Sequence[bytes]) -> pb.ExplainRequest:
    vote = random.random() < 0.08
    names = random.sample(FORWARD_ONLY if vote else tuple(METHODS), random.choice((1, 1, 2)))
    message = pb.ExplainRequest(
        request_id=str(uuid.UUID(int=random.getrandbits(128), version=4)),
        xray={"file": random.choice(files)},
        models=[ENSEMBLE]
        if vote
        else random.sample(served.networks, min(random.choice((1, 1, 2)), len(served.networks))),
        partial_heatmaps=random.random() < 0.5,
        attributions=random.random() < 0.2,
        inputs=random.random() < 0.2,
        priority=pb.PRIORITY_BATCH if random.random() < 0.05 else pb.PRIORITY_INTERACTIVE,
    )
    for name in names:
        message.methods.add(name=name).parameters.update(METHODS[name])
    if not vote and len(served.networks) > 1 and random.random() < 0.1:  # all networks, and what they have in common
        del message.models[:]
        message.aggregations.add().mean.SetInParent()
    match random.randrange(4):
        case 0:
            message.targets.all.SetInParent()
        case 1:
            message.targets.labels.names.extend(random.sample(served.labels, min(2, len(served.labels))))
        case 2:
            message.targets.not_predicted.SetInParent()
    return message


def _break_file(message: pb.ExplainRequest) -> None:
    message.xray.file = message.xray.file[: len(message.xray.file) // 2]


def _name_no_method(message: pb.ExplainRequest) -> None:
    message.methods[0].name = "clairvoyance"


def _name_no_label(message: pb.ExplainRequest) -> None:
    message.targets.labels.names.append("Boredom")


def _give_wrong_parameter(message: pb.ExplainRequest) -> None:
    message.methods[0].parameters.update({"windows": -1})


_SPOILERS: tuple[Callable[[pb.ExplainRequest], None], ...] = (
    _break_file,
    _name_no_method,
    _name_no_label,
    _give_wrong_parameter,
)


def xrays(seed: int, count: int = 8) -> list[bytes]:
    """Draw smooth grey pictures of 200 to 500 pixels a side, as PNG files."""
    random = np.random.default_rng(seed)
    files = []
    for _ in range(count):
        height, width = random.integers(200, 500, 2)
        rows, columns = np.mgrid[0:height, 0:width]
        waves = np.sin(rows / random.uniform(15, 40)) * np.cos(columns / random.uniform(10, 40))
        file = io.BytesIO()
        Image.fromarray(np.uint8(120 + 80 * waves + random.normal(0, 5, waves.shape))).save(file, "PNG")
        files.append(file.getvalue())
    return files
