"""The Triton configuration of each kind of model: network, preprocess, vote and the ensemble of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..card import InputSpec, ModelCard
from .layout import ENSEMBLE, FIVE_NETWORKS, PREPROCESS, VOTE
from .triton_config import DataType, EnsembleStep, ModelConfig, TensorSpec, to_pbtxt

__all__ = [
    "MAX_BATCH",
    "Member",
    "committed_configs",
    "ensemble_config",
    "member_config",
    "preprocess_config",
    "vote_config",
    "write_configs",
]

MAX_BATCH = 8
"""Images that a model takes at once."""
_QUEUE_DELAY_US = 2_000
"""Long enough to gather requests that arrive together, short beside the networks' 20 to 200 ms."""

_VOTE_OUTPUTS: tuple[tuple[str, DataType, str], ...] = (
    ("PROBABILITIES", "TYPE_FP32", "NL"),
    ("VOTES", "TYPE_INT32", "L"),
    ("MAJORITY", "TYPE_BOOL", "L"),
    ("MEAN", "TYPE_FP32", "L"),
    ("LOGITS", "TYPE_FP32", "NL"),
    ("LABELS", "TYPE_STRING", "L"),
    ("MODELS", "TYPE_STRING", "N"),
    ("VERSIONS", "TYPE_INT64", "N"),
)
"""Name, type and shape (N networks, L labels) of what the vote answers."""
_GUARD_OUTPUTS = (TensorSpec("LIKENESS", "TYPE_FP32", (3,)), TensorSpec("LIKENESS_TEXT", "TYPE_STRING", (1,)))
"""Of preprocess, which sees the decoded file, and so of the ensemble."""


@dataclass(frozen=True)
class Member:
    """A network as the ensemble needs to know it.

    Parameters
    ----------
    name : str
        The network.
    version : int
        Its version; -1 for the latest.
    backend : str
        Who serves it. A network that only has a TorchScript copy does not tell its version; it is taken from
        the model set, to which the ensemble is pinned.
    spec : InputSpec, optional
        What it expects, where that is known.
    """

    name: str
    version: int = -1
    backend: Literal["onnxruntime", "pytorch"] = "onnxruntime"
    spec: InputSpec | None = None

    @classmethod
    def of(cls, card: ModelCard) -> Member:
        """Return the member that a card describes, pinned to the card's version."""
        return cls(card.name, card.version, card.backend, card.input)

    @property
    def input_name(self) -> str:
        """The network's input tensor; Triton's PyTorch backend asks for names that end in an index."""
        return "INPUT" if self.backend == "onnxruntime" else "INPUT__0"

    @property
    def logits_name(self) -> str:
        """The network's output tensor."""
        return "LOGITS" if self.backend == "onnxruntime" else "LOGITS__0"

    @property
    def tells_version(self) -> bool:
        """Whether the network has the output VERSION."""
        return self.backend == "onnxruntime"


def member_config(member: Member, *, versions: Sequence[int] = (), threads: int = 1) -> ModelConfig:
    """Return the configuration of one network.

    Parameters
    ----------
    member : Member
        The network. Where its input is known, its size is fixed and it is warmed up.
    versions : sequence of int
        Versions to serve; the latest if empty.
    threads : int
        Threads of one inference. One is best where several networks share the cores.

    Returns
    -------
    ModelConfig
        For Triton.
    """
    spec = member.spec
    # While two versions are served their input sizes may differ, so only channels are fixed.
    image = TensorSpec(member.input_name, "TYPE_FP32", (spec.channels if spec else 1, -1, -1))
    outputs = [TensorSpec(member.logits_name, "TYPE_FP32", (-1,))]
    if member.tells_version:
        outputs.append(TensorSpec("VERSION", "TYPE_INT64", (1,)))
        parameters = {
            "intra_op_thread_count": str(threads),
            "inter_op_thread_count": "1",
            # Idle threads that spin take the cores from the other networks.
            "session.intra_op.allow_spinning": "0",
        }
    else:
        parameters = {
            "INTRA_OP_THREAD_COUNT": str(threads),
            "INTER_OP_THREAD_COUNT": "1",
            "INFERENCE_MODE": "true",
        }
    warmup = (TensorSpec(member.input_name, "TYPE_FP32", (spec.channels, spec.size, spec.size)),) if spec else ()
    return ModelConfig(
        name=member.name,
        backend=member.backend,
        max_batch_size=MAX_BATCH,
        inputs=(image,),
        outputs=tuple(outputs),
        versions=tuple(versions),
        queue_delay_us=_QUEUE_DELAY_US,
        instances=1,
        parameters=parameters,
        warmup=warmup,
    )


def preprocess_config(members: Sequence[Member], *, versions: Sequence[int] = ()) -> ModelConfig:
    """Return the configuration of the Python model that decodes, preprocesses and asks the guard.

    Parameters
    ----------
    members : sequence of Member
        The networks to prepare images for.
    versions : sequence of int
        Versions (of model sets) to serve; the latest if empty.

    Returns
    -------
    ModelConfig
        For Triton.
    """
    return ModelConfig(
        name=PREPROCESS,
        backend="python",
        max_batch_size=MAX_BATCH,
        inputs=(TensorSpec("IMAGE", "TYPE_STRING", (1,)),),
        outputs=(
            *(TensorSpec(f"INPUT_{m.name}", "TYPE_FP32", (m.spec.channels if m.spec else 1, -1, -1)) for m in members),
            *_GUARD_OUTPUTS,
        ),
        versions=tuple(versions),
        queue_delay_us=0,
        instances=1,
    )


def vote_config(
    members: Sequence[Member], *, versions: Sequence[int] = (), optional: Collection[str] = ()
) -> ModelConfig:
    """Return the configuration of the Python model that counts the votes.

    Parameters
    ----------
    members : sequence of Member
        The networks, in the order of the answer.
    versions : sequence of int
        Versions (of model sets) to serve; the latest if empty.
    optional : collection of str
        Networks that not every one of these versions has: while sets of different networks are exchanged, one
        configuration holds for both.

    Returns
    -------
    ModelConfig
        For Triton.
    """
    inputs = [TensorSpec(f"LOGITS_{m.name}", "TYPE_FP32", (-1,), m.name in optional) for m in members]
    inputs += [
        TensorSpec(f"VERSION_{m.name}", "TYPE_INT64", (1,), m.name in optional) for m in members if m.tells_version
    ]
    return ModelConfig(
        name=VOTE,
        backend="python",
        max_batch_size=MAX_BATCH,
        inputs=tuple(inputs),
        outputs=_answer(-1 if optional else len(members)),
        versions=tuple(versions),
        queue_delay_us=0,
        instances=1,
    )


def ensemble_config(members: Sequence[Member], *, set_version: int | None = None) -> ModelConfig:
    """Return the configuration of the ensemble: encoded file -> preprocess -> networks -> vote.

    Parameters
    ----------
    members : sequence of Member
        The networks, in the order of the answer. Their versions are those that answer.
    set_version : int, optional
        The model set that this is: it is the version of the ensemble, of preprocess and of vote. Without it, the
        latest of everything answers.

    Returns
    -------
    ModelConfig
        For Triton.
    """
    version = -1 if set_version is None else set_version
    tensors = {f"INPUT_{m.name}": f"INPUT_{m.name}" for m in members} | {t.name: t.name for t in _GUARD_OUTPUTS}
    steps = [EnsembleStep(PREPROCESS, version, {"IMAGE": "IMAGE"}, tensors)]
    votes: dict[str, str] = {}
    for m in members:
        outputs = {m.logits_name: f"LOGITS_{m.name}"}
        if m.tells_version:
            outputs["VERSION"] = f"VERSION_{m.name}"
        steps.append(EnsembleStep(m.name, m.version, {m.input_name: f"INPUT_{m.name}"}, outputs))
        votes |= {tensor: tensor for tensor in outputs.values()}
    answer = _answer(len(members))
    steps.append(EnsembleStep(VOTE, version, votes, {tensor.name: tensor.name for tensor in answer}))
    return ModelConfig(
        name=ENSEMBLE,
        backend="",
        max_batch_size=MAX_BATCH,
        inputs=(TensorSpec("IMAGE", "TYPE_STRING", (1,)),),
        outputs=(*answer, *_GUARD_OUTPUTS),
        versions=() if set_version is None else (set_version,),
        steps=tuple(steps),
    )


def committed_configs() -> dict[str, ModelConfig]:
    """Return the configurations that are committed, by model: the paper's five networks, latest versions."""
    members = [Member(name) for name in FIVE_NETWORKS]
    configs = [
        *(member_config(member) for member in members),
        preprocess_config(members),
        vote_config(members),
        ensemble_config(members),
    ]
    return {config.name: config for config in configs}


def write_configs(root: Path, members: Sequence[Member] = ()) -> None:
    """Write ``config.pbtxt`` of every model into a repository, such as a new one outside the checkout.

    Parameters
    ----------
    root : Path
        The repository.
    members : sequence of Member
        Its networks, if they are not the paper's five: written so that the latest versions answer.
    """
    configs = committed_configs()
    if members:
        ours = [member_config(Member(m.name, -1, m.backend, m.spec)) for m in members]
        rest = [Member(m.name, -1, m.backend, m.spec) for m in members]
        configs = {c.name: c for c in (*ours, preprocess_config(rest), vote_config(rest), ensemble_config(rest))}
    for name, config in configs.items():
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.pbtxt").write_text(to_pbtxt(config), encoding="utf-8")


def _answer(networks: int) -> tuple[TensorSpec, ...]:
    sizes = {"N": networks, "L": -1}
    return tuple(TensorSpec(name, kind, tuple(sizes[s] for s in shape)) for name, kind, shape in _VOTE_OUTPUTS)
