"""Max-sensitivity: how much a map changes when the image hardly does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from pydantic import Field

from ..contract import Job, Parameters
from ..methods.seeds import seed_field
from .contract import Better, Family, Measure, MeasuredValue, Subject
from .judgeable import check_finite, check_map

__all__ = ["MaxSensitivity", "MaxSensitivityParameters"]


class MaxSensitivityParameters(Parameters):
    """How often, and how little, the image is changed."""

    perturbations: int = Field(default=4, ge=1, le=200, description="Noisy copies of the image, 1 to 200.")
    radius: float = Field(
        default=0.02, gt=0, le=1, description="Most that the brightness of a pixel changes, 0 (black) to 1 (white)."
    )
    seed: int = seed_field("the noise", "numbers")


class MaxSensitivity(Measure[MaxSensitivityParameters]):
    """Captum's max-sensitivity of the heatmap."""

    name = "max_sensitivity"
    title = "Max-sensitivity"
    family = Family.ROBUSTNESS
    description = (
        "Explains slightly noisy copies of the image, and takes the largest change of the map, relative to the map. It "
        "is a lower bound of the true maximum, and grows with the number of copies."
    )
    reference = (
        "Yeh, Hsieh, Suggala, Inouye, Ravikumar: On the (In)fidelity and Sensitivity of Explanations. NeurIPS 2019. "
        "arXiv:1901.09392"
    )
    variant = (
        "captum.metrics.sensitivity_max of the heatmap, Frobenius norms; noise uniform within the radius, which is in "
        "brightness. A method that draws random numbers keeps its seed, so its own chance is not measured."
    )
    parameters = MaxSensitivityParameters
    values: ClassVar[tuple[MeasuredValue, ...]] = (
        MeasuredValue(
            "max_sensitivity",
            "Largest norm of the heatmap's change, as a share of the heatmap's norm: 0 or more; 1.4 is what two maps "
            "of equal norm have that do not overlap.",
            Better.LOWER,
        ),
    )

    def measure(self, subject: Subject, params: MaxSensitivityParameters, job: Job) -> Mapping[str, float]:
        """Run the method again on noisy copies."""
        check_map(subject.heatmap)
        total = self.cost(params, subject.image.shape[1:], subject.passes)
        generator = torch.Generator().manual_seed(params.seed)
        radius = params.radius / subject.model.spec.std
        done = 0

        def noisy(image: torch.Tensor) -> torch.Tensor:
            return image + radius * (torch.rand(image.shape, generator=generator) * 2 - 1)

        def explained(images: tuple[torch.Tensor, ...] | torch.Tensor) -> tuple[torch.Tensor]:
            # A tuple: of a tensor Captum would take the norm of every row by itself.
            nonlocal done
            image = images if isinstance(images, torch.Tensor) else images[0]
            if image is subject.image:
                return (subject.heatmap[None],)
            job.check()
            # Captum has switched gradients off, which the method may need.
            with torch.enable_grad():
                heatmap = subject.again(image, None)
            check_finite(heatmap)
            done += subject.passes
            job.progress(done, total)
            return (heatmap.detach()[None],)

        from captum.metrics import sensitivity_max  # not at the top: Captum brings pandas and matplotlib

        found = sensitivity_max(
            explained, subject.image, noisy, n_perturb_samples=params.perturbations, max_examples_per_batch=1
        )
        return {"max_sensitivity": float(found)}

    def cost(self, params: MaxSensitivityParameters, shape: Sequence[int], passes: int) -> int:
        """Return a run of the method per noisy copy."""
        return params.perturbations * passes
