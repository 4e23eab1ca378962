"""What changes alone, computed step by step, gives the outputs of whole passes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from radiolucent.handlers.incremental import IncrementalForward, Window
from radiolucent.handlers.lifting import NotLiftable, fold, lift, reduce_precision
from torch import fx, nn
from torch.nn import functional

CHANNELS = 4


class Residual(nn.Module):
    """Two paths of one plane, added up, one of them scaled."""

    def __init__(self, kernel: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(CHANNELS, CHANNELS, kernel, padding="same", dilation=dilation)
        self.norm = nn.BatchNorm2d(CHANNELS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(x + self.norm(self.conv(x)) * 0.5)


class Branches(nn.Module):
    """Paths that see differently far, concatenated; then as many channels as before."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.near = nn.Conv2d(CHANNELS, 2, 1, stride=stride)
        self.far = nn.Conv2d(CHANNELS, 2, (5, 3), stride=stride, padding=(2, 1), groups=2)
        self.pool = nn.MaxPool2d(3, stride, padding=1)
        self.join = nn.Conv2d(4 + CHANNELS, CHANNELS, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.silu(self.join(torch.cat([self.near(x), self.far(x), self.pool(x)], 1)))


class Gate(nn.Module):
    """A factor for each channel that depends on the whole plane."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(x.mean((2, 3), keepdim=True))


class Unknown(nn.Module):
    """What has no rule of its own."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(x, scale_factor=2.0, mode="nearest").flip(3)


@st.composite
def layers(draw: st.DrawFn) -> nn.Module:
    small = st.integers(1, 3)
    kernel, stride, dilation = draw(st.integers(1, 4)), draw(small), draw(small)
    padding = draw(st.integers(0, kernel))
    half = min(padding, kernel // 2)
    make: Callable[[], nn.Module] = draw(
        st.sampled_from(
            [
                lambda: nn.Conv2d(CHANNELS, CHANNELS, kernel, stride, padding, dilation, bias=False),
                lambda: nn.MaxPool2d(kernel, stride, half, dilation, ceil_mode=True),
                lambda: nn.AvgPool2d(kernel, stride, half, ceil_mode=True, count_include_pad=False),
                lambda: nn.AvgPool2d(kernel, stride, half, ceil_mode=True),
                lambda: nn.AvgPool2d(kernel, None, half),
                lambda: Residual(kernel, dilation),
                lambda: Branches(stride),
                lambda: nn.Sequential(nn.BatchNorm2d(CHANNELS), nn.PReLU()),
                Gate,
                Unknown,
            ]
        )
    )
    return make()


def lifted(network: nn.Module, image: torch.Tensor) -> fx.GraphModule:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        return lift(torch.jit.trace(network.eval(), image.repeat(2, 1, 1, 1), check_trace=False))


def incremental(network: IncrementalForward, shown: torch.Tensor, windows: Sequence[Window]) -> torch.Tensor:
    outputs = torch.full((len(windows), network.outputs.shape[1]), torch.nan)
    for some, found in network.batches(shown, windows):
        outputs[some] = found
    return outputs


def dense(network: nn.Module, image: torch.Tensor, shown: torch.Tensor, windows: Sequence[Window]) -> torch.Tensor:
    images = image.repeat(len(windows), 1, 1, 1)
    for one, (rows, columns) in zip(images, windows, strict=True):
        one[:, rows, columns] = shown[0, :, rows, columns]
    with torch.no_grad():
        outputs: torch.Tensor = network(images)
    return outputs


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@given(st.data())
@settings(max_examples=30, deadline=None)
def test_the_outputs_are_those_of_whole_passes_whatever_the_network(data: st.DataObject) -> None:
    torch.manual_seed(data.draw(st.integers(0, 999)))
    height, width = data.draw(st.integers(17, 40)), data.draw(st.integers(17, 40))
    image, shown = torch.rand(2, 1, 2, height, width) * 2 - 1
    body = [nn.Conv2d(2, CHANNELS, 3, padding=1)]
    plane = body[0](image)
    for layer in data.draw(st.lists(layers(), min_size=1, max_size=6)):
        try:
            plane = layer.eval()(plane)
        except RuntimeError:  # the plane is too small for it by now
            continue
        if not 0 < plane[0].numel() < 100_000:
            break
        if not plane.isfinite().all():  # of a small plane, a dilated maximum may see the padding alone
            break
        body.append(layer)
    for norm in (module for layer in body for module in layer.modules() if isinstance(module, nn.BatchNorm2d)):
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.weight, 0.5, 2)
    network = lifted(nn.Sequential(*body, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * CHANNELS, 3)), image)
    if data.draw(st.booleans()):
        network = fold(network)  # as the server occludes it
    elif data.draw(st.booleans()):
        network = network.to(memory_format=torch.channels_last)
        image = image.contiguous(memory_format=torch.channels_last)
    windows = []
    for _ in range(data.draw(st.integers(1, 9))):
        top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
        bottom, right = data.draw(st.integers(top + 1, height)), data.draw(st.integers(left + 1, width))
        windows.append((slice(top, min(bottom, top + 9)), slice(left, min(right, left + 9))))

    found = incremental(IncrementalForward(network, image), shown, windows)

    torch.testing.assert_close(found, dense(network, image, shown, windows), atol=2e-5, rtol=2e-5)


def narrow_network(image: torch.Tensor) -> fx.GraphModule:
    convolutions = [nn.Conv2d(3, 3, 3, padding=1) for _ in range(4)]
    return lifted(nn.Sequential(*convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten()), image)


def test_a_layer_computes_what_the_window_reaches_and_no_more() -> None:
    image = torch.rand(1, 3, 64, 64)
    network = narrow_network(image)
    forward = IncrementalForward(network, image)
    computed = []
    convolve = functional.conv2d

    def noted(seen: torch.Tensor, *arguments: object) -> torch.Tensor:
        computed.append(tuple(seen.shape))
        return convolve(seen, *arguments)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(functional, "conv2d", noted)
        incremental(forward, image * 0, [(slice(20, 28), slice(30, 38)), (slice(22, 30), slice(12, 20))])
    assert computed == [(2, 3, side, side) for side in (12, 14, 16, 18)]


def test_outputs_may_be_planes_themselves() -> None:
    image = torch.rand(1, 3, 32, 32)
    network = lifted(nn.Conv2d(3, 2, 3), image)
    windows = [(slice(4, 9), slice(7, 9)), (slice(30, 32), slice(0, 2))]
    ((order, found),) = IncrementalForward(network, image).batches(image * 0, windows)
    expected = dense(network, image, image * 0, [windows[one] for one in order])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


class OneNumberForBothAxes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(CHANNELS, 1, 3, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.conv2d(x, self.weight, None, [2], [1], [1])
        x = functional.max_pool2d(x, [3], [1], [1])
        return functional.avg_pool2d(x, [2], [2]).mean((2, 3))


def test_an_option_may_be_a_list_of_one() -> None:
    image = torch.rand(1, 1, 32, 32)
    network = lifted(OneNumberForBothAxes(), image)
    windows = [(slice(4, 9), slice(7, 9))]
    found = incremental(IncrementalForward(network, image), image * 0, windows)
    torch.testing.assert_close(found, dense(network, image, image * 0, windows))


class Overwriting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, CHANNELS, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.silu(self.conv(x), inplace=True).mean((2, 3))


def test_a_network_that_overwrites_what_has_to_stand_is_refused() -> None:
    with pytest.raises(NotLiftable, match="writes into"):
        IncrementalForward(fx.symbolic_trace(Overwriting().eval()), torch.rand(1, 1, 16, 16))


def test_what_is_overwritten_behind_the_last_planes_does_not_matter() -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, CHANNELS, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * CHANNELS, 8)]
    network = nn.Sequential(*layers, nn.ReLU(inplace=True), nn.Linear(8, 2)).eval()
    image = torch.rand(1, 1, 16, 16)
    ((_, found),) = IncrementalForward(fx.symbolic_trace(network), image).batches(
        image * 0, [(slice(2, 6), slice(3, 9))]
    )
    image[:, :, 2:6, 3:9] = 0
    torch.testing.assert_close(found, network(image))


def test_memory_is_bounded_by_whole_images() -> None:
    image = torch.rand(1, 3, 32, 32)
    forward = IncrementalForward(narrow_network(image), image)
    large = [(slice(top, top + 20), slice(2, 30)) for top in range(12)]
    sizes = [len(some) for some, _ in forward.batches(image * 0, large, whole_images=3)]
    assert sum(sizes) == 12
    assert max(sizes) <= 3
    assert max(len(some) for some, _ in forward.batches(image * 0, [(slice(0, 4), slice(0, 4))] * 12, 3)) > 3


def test_a_layer_that_is_watched_sees_whole_activations() -> None:
    image = torch.rand(1, 3, 32, 32)
    network = narrow_network(image)
    seen = []
    network.get_submodule("2").register_forward_hook(lambda layer, given, output: seen.append(tuple(output.shape)))
    incremental(IncrementalForward(network, image), image * 0, [(slice(0, 4), slice(0, 4))] * 2)
    assert seen == [(1, 3, 32, 32), (2, 3, 32, 32)]


def test_it_stops_between_layers() -> None:
    image = torch.rand(1, 3, 32, 32)
    forward = IncrementalForward(narrow_network(image), image)
    checks = 0

    def check() -> None:
        nonlocal checks
        checks += 1
        if checks == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        next(forward.batches(image, [(slice(0, 4), slice(0, 4))], check=check))
    assert checks == 3


@pytest.mark.parametrize("padding", [0, 8])
def test_a_large_pooling_in_bfloat16_divides_as_a_whole_pass_does(padding: int) -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.AvgPool2d(17, 1, padding), nn.Conv2d(8, 8, 3)]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
    image = torch.rand(1, 1, 64, 64)
    reduced = reduce_precision(lifted(network, image))
    windows = [(slice(row, row + 8), slice(column, column + 8)) for row in (0, 22, 50) for column in (0, 22, 56)]
    forward = IncrementalForward(reduced, image)
    effects = forward.outputs - incremental(forward, image * 0, windows)
    unchanged = forward.outputs - incremental(forward, image, windows)
    assert unchanged.abs().max() < 0.01 * effects.abs().max(), "to hide nothing has no effect"
