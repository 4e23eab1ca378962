"""What the server of the tests says of X-rays and of a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from radiolucent.protos import classification_pb2, explanation_pb2, image_pb2, model_pb2

INTENDED_USE = "Research use only. Not for diagnosis."
MODELS = ("net_a", "net_b")
LABELS = ("Pneumonia", "Viral Pneumonia", "No Finding")
SIZE = 96


def tensor(values: np.ndarray) -> image_pb2.Tensor:
    return image_pb2.Tensor(shape=values.shape, float32_le=np.ascontiguousarray(values, "<f4").tobytes())


def blob(x: float, y: float, width: float = 12.0) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2)).astype(np.float32)


def version(name: str) -> model_pb2.ModelVersion:
    return model_pb2.ModelVersion(name=name, version=3)


UNLIKE = classification_pb2.Likeness(
    unlikeness=7.5, threshold=1.5, share=0.0078125, warns=True, text="Unlike: none of 127. Do not rely on the votes."
)
LIKE = classification_pb2.Likeness(unlikeness=-0.5, threshold=1.5, share=0.75, warns=False, text="Like: 95 of 127.")


def a_classification(
    majority: tuple[str, ...] = ("Pneumonia", "Viral Pneumonia"), likeness: classification_pb2.Likeness | None = None
) -> classification_pb2.Classification:
    return classification_pb2.Classification(
        answers=[
            classification_pb2.ModelAnswer(
                model=version(name),
                probabilities=[0.9, 0.75, 0.125],
                logits=[2.2, 1.1, -1.9],
                votes=[True, True, False],
            )
            for name in MODELS
        ],
        labels=[
            classification_pb2.LabelVote(
                label=label, votes=2 * (label in majority), majority=label in majority, mean_probability=0.5
            )
            for label in LABELS
        ],
        majority=majority,
        model_set=model_pb2.ModelSet(version=7, members=[version(name) for name in MODELS]),
        image_size=image_pb2.ImageSize(height=480, width=512),
        intended_use=INTENDED_USE,
        likeness=likeness,
    )


@dataclass
class FakeJob:
    """A job, whatever is asked; what is in it is set by its fields."""

    plans: bool = True
    """Whether it knows dry runs and estimates."""
    judges: bool = True
    """Whether it knows measures of quality, and what the lungs are."""
    failing_method: str = "broken_method"
    likeness: classification_pb2.Likeness | None = None
    """What the guard says of every X-ray; None: the model set has none."""

    def events(self, request: explanation_pb2.ExplainRequest) -> list[explanation_pb2.JobEvent]:
        """The whole job: classified; input, progress, a partial and a final map per model and method; summary."""
        labels = list(request.targets.labels.names) or ["Viral Pneumonia"]
        items = [
            explanation_pb2.Item(model=version(model), method=method.name, labels=labels)
            for model in request.models or MODELS
            for method in request.methods
        ]
        aggregates = [
            explanation_pb2.Item(model=version("chest_xray"), method=method.name, labels=labels, aggregation=one)
            for method in request.methods
            for one in request.aggregations
        ]
        bodies: list[dict[str, Any]] = [
            {
                "classified": explanation_pb2.Classified(
                    classification=a_classification(likeness=self.likeness),
                    targets=[
                        explanation_pb2.Target(label=label, reason=explanation_pb2.TARGET_REASON_PREDICTED)
                        for label in labels
                    ],
                    items=items + aggregates,
                )
            }
        ]
        if self.plans:
            self._estimate(bodies[0]["classified"], shared=len(request.methods) > 1)
        if request.dry_run and self.plans:
            bodies.append({"summary": self._summary([], explanation_pb2.JOB_STATE_DONE)})
            return self._number(bodies, request.request_id)
        affine = image_pb2.Affine(scale_x=512 / SIZE, scale_y=512 / SIZE, offset_x=0.0, offset_y=-16.0)
        if request.inputs:
            bodies += [
                {
                    "model_input": explanation_pb2.ModelInput(
                        model=version(model), input=tensor(blob(48, 48, 40)[None]), affine=affine
                    )
                }
                for model in (*(request.models or MODELS), *(["chest_xray"] if aggregates else []))
            ]
        for number, item in enumerate(items, start=1):
            progress = explanation_pb2.Progress(item=item, done=1, total=2, job_fraction=(number - 0.5) / len(items))
            bodies.append({"progress": progress})
            bodies.append({"heartbeat": explanation_pb2.Heartbeat()})
            if item.method == self.failing_method:
                bodies.append(
                    {
                        "failure": explanation_pb2.Failure(
                            item=item, reason=explanation_pb2.FAILURE_REASON_METHOD, message="the method raised: e1f2"
                        )
                    }
                )
                continue
            call = next(method for method in request.methods if method.name == item.method)
            for final in (False, True) if request.partial_heatmaps else (True,):
                for label in labels:
                    heatmap = explanation_pb2.Heatmap(
                        model=item.model,
                        method=item.method,
                        parameters=call.parameters,
                        label=label,
                        output=request.output or explanation_pb2.EXPLAINED_OUTPUT_LOGIT,
                        output_value=1.5,
                        final=final,
                        fraction=1.0 if final else 0.4,
                        sign=explanation_pb2.HEATMAP_SIGN_SIGNED,
                        completeness=explanation_pb2.COMPLETENESS_EXACT,
                        convergence_delta=0.0,
                        facts={"absorbed": 0.125},
                        verdict=explanation_pb2.Verdict(voted=False, votes=1, voters=2, mean_probability=0.375),
                        resampling_error=0.0625 if item.model.name == "chest_xray" else None,
                        heatmap=tensor(blob(30, 40) - 0.6 * blob(64, 60)),
                        affine=affine,
                        intended_use=INTENDED_USE,
                    )
                    if final and self.judges:
                        self._judge(heatmap, request)
                    if request.attributions and final:
                        heatmap.attribution.CopyFrom(tensor((blob(30, 40) - 0.6 * blob(64, 60))[None]))
                    bodies.append({"heatmap": heatmap})
        for item in aggregates:
            if item.method == self.failing_method:
                few = explanation_pb2.FAILURE_REASON_TOO_FEW_NETWORKS
                bodies.append({"failure": explanation_pb2.Failure(item=item, reason=few, message="0 of 2 networks")})
                continue
            for label in labels:
                aggregate = explanation_pb2.AggregateOrigin(
                    aggregation=item.aggregation,
                    networks=[explanation_pb2.AggregatedNetwork(model=version("net_a"), scale=2.5)],
                    missing=[version("net_b")],
                )
                heatmap = explanation_pb2.Heatmap(
                    model=item.model,
                    method=item.method,
                    label=label,
                    final=True,
                    fraction=1.0,
                    heatmap=tensor(blob(30, 40)),
                    affine=affine,
                    intended_use=INTENDED_USE,
                    aggregate=aggregate,
                )
                bodies.append({"heatmap": heatmap})
        bodies.append({"summary": self._summary(items + aggregates, explanation_pb2.JOB_STATE_DONE)})
        return self._number(bodies, request.request_id)

    def _judge(self, heatmap: explanation_pb2.Heatmap, request: explanation_pb2.ExplainRequest) -> None:
        for call in request.measures if heatmap.model.name != "chest_xray" else ():
            one = heatmap.measurements.add(measure=call.name, parameters=call.parameters)
            one.elapsed.FromMilliseconds(250)
            if call.name == "road":
                one.refusal = "the map is constant"
            else:
                one.values.update({"above_random": 0.25, "area": 0.5})
        if request.HasField("lungs"):
            heatmap.outside_lungs.CopyFrom(
                explanation_pb2.OutsideLungs(
                    share=0.625,
                    area=0.5,
                    sentence="62 % of the evidence lies outside the lungs.",
                    segmenter=request.lungs.segmenter,
                )
            )

    def _estimate(self, classified: explanation_pb2.Classified, *, shared: bool) -> None:
        """Two and a half seconds per item; the methods of a network share the passes of the first of them."""
        models: list[str] = []
        for item in classified.items:
            first = item.model.name not in models
            models += [item.model.name] if first else []
            estimate = classified.estimates.add(
                passes=50 if first or not shared else 0, shared_pass=len(models) if shared else 0
            )
            estimate.elapsed.FromMilliseconds(2500)
        classified.estimated_work.FromMilliseconds(2500 * len(classified.items))
        classified.estimated_wait.FromMilliseconds(1500)

    def _number(self, bodies: list[dict[str, Any]], request_id: str) -> list[explanation_pb2.JobEvent]:
        events, sequence = [], 0
        for body in bodies:
            sequence += "heartbeat" not in body
            event = explanation_pb2.JobEvent(job_id="job-1", request_id=request_id, sequence=sequence, **body)
            event.time.FromSeconds(1_700_000_000 + sequence)
            events.append(event)
        return events

    def _summary(self, items: list[explanation_pb2.Item], state: int) -> explanation_pb2.Summary:
        return explanation_pb2.Summary(
            state=state,
            items=[
                explanation_pb2.ItemSummary(
                    item=item,
                    delivered=[] if item.method == self.failing_method else item.labels,
                    failure=explanation_pb2.FAILURE_REASON_METHOD if item.method == self.failing_method else 0,
                    forward_passes=2,
                )
                for item in items
            ],
            intended_use=INTENDED_USE,
        )
