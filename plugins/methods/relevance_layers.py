"""Layers that stand for operators, so that a rule of relevance propagation can be given to each."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["Affine", "Mean", "Scale", "stacked"]


class Affine(nn.Module):
    """Multiplies each channel with a factor and adds a bias: a batch normalisation that follows no convolution.

    Parameters
    ----------
    norm : torch.nn.BatchNorm2d
        With the statistics of the training.
    """

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        mean, variance = norm.running_mean, norm.running_var
        assert mean is not None  # noqa: S101 - the lifting makes no other
        assert variance is not None  # noqa: S101
        scale = (variance.double() + norm.eps).rsqrt() * (1 if norm.weight is None else norm.weight.double())
        bias = (0 if norm.bias is None else norm.bias.double()) - mean.double() * scale
        self.weight = nn.Parameter(scale.detach().to(mean.dtype), requires_grad=False)
        self.bias = nn.Parameter(bias.detach().to(mean.dtype), requires_grad=False)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return values [N, C, ...] times the factor of their channel plus its bias."""
        shape = (1, -1, *([1] * (values.dim() - 2)))
        return values * self.weight.reshape(shape) + self.bias.reshape(shape)


class Scale(nn.Module):
    """Multiplies with a constant.

    Parameters
    ----------
    factor : torch.Tensor
        A number, or as many as can be multiplied with the values.
    """

    factor: torch.Tensor

    def __init__(self, factor: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("factor", factor)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the values times the constant."""
        return values * self.factor


class Mean(nn.Module):
    """Takes the mean over some axes.

    Parameters
    ----------
    dims : list of int
        The axes.
    keepdim : bool
        Whether they stay, with length 1.
    """

    def __init__(self, dims: list[int], *, keepdim: bool) -> None:
        super().__init__()
        self.dims = dims
        self.keepdim = keepdim

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the mean."""
        return values.mean(self.dims, keepdim=self.keepdim)


def stacked(*operands: torch.Tensor) -> torch.Tensor:
    """Lay the operands of a sum side by side along a new last axis, as zennit's sum takes them."""
    # A number in the original is a float64 tensor in a trace; it must not make one of the whole signal.
    dtype = next(operand.dtype for operand in operands if operand.dim())
    operands = torch.broadcast_tensors(*(operand.to(dtype) for operand in operands))  # type: ignore[no-untyped-call]
    return torch.stack(operands, dim=-1)
