"""Expected gradients: integrated gradients averaged over background images, with points spread evenly."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from .path_expectation import Draw, PathExpectation, PathParameters

__all__ = ["ExpectedGradients"]


class ExpectedGradients(PathExpectation[PathParameters]):
    """Position and background image come from a scrambled Sobol sequence in two dimensions.

    Each point alone is uniform, so the mean is exact in expectation, as with independent points. Together they are
    spread evenly: of a power of two of points, each background image gets as many as any other (where their number is
    a power of two, too), and its positions cover the way. So the estimate is better for the same work, and that from
    a beginning is like the whole.
    """

    name = "expected_gradients"
    title = "Expected gradients"
    description = (
        "Each pixel's share of the change of the output from the mean of background images to the X-ray, in units of "
        "the output: integrated gradients averaged over the background images, estimated from points spread evenly "
        "over positions and images. The shares sum to that change in expectation; the convergence delta says how far "
        "this estimate is off."
    )
    reference = (
        "Erion, Janizek, Sturmfels, Lundberg, Lee: Improving Performance of Deep Learning Models with Axiomatic "
        "Attribution Priors and Expected Gradients. Nature Machine Intelligence 2021. arXiv:1906.10670"
    )
    parameters = PathParameters

    def draws(self, params: PathParameters, image: torch.Tensor, sizes: Iterator[int]) -> Iterator[Draw]:
        """Take the points as the sequence has them; its scrambling is what the seed decides."""
        sobol = torch.quasirandom.SobolEngine(2, scramble=True, seed=params.seed)  # type: ignore[no-untyped-call]
        for size in sizes:
            points = sobol.draw(size, dtype=torch.float64)
            chosen = (points[:, 1] * params.background_size).long().clamp(max=params.background_size - 1)
            yield Draw(points[:, 0].float(), chosen)
