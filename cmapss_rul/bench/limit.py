"""How near a training step comes to the machine's limit: its matrix products alone.

A step is work that nobody can leave out, the matrix products of the network forwards and
backwards, and everything around it. Here the products are listed by shape, so that both can be
timed: the products alone, and the whole step.
"""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from cmapss_rul.data.windows import Batch
from cmapss_rul.model.attention import LastStateAttention, SelfAttention
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.optimisation import Plan, Trainer

STEADY = Plan(steps=1_000_000, warmup=0)
"""A plan whose steps all stand behind the warm-up, so that each one is a usual one."""

_Layer = TypeVar("_Layer", bound=nn.Module)


class Product(NamedTuple):
    """Matrix products [rows, inner] × [inner, columns] of one shape.

    Attributes:
        part: of the network, and what the product is for.
        rows: of the left matrix and of the result.
        inner: columns of the left and rows of the right matrix.
        columns: of the right matrix and of the result.
        batch: pairs of matrices that are multiplied in one call.
        calls: in a step, one after another.

    >>> Product("rul_head forward", rows=2, inner=3, columns=1, calls=5).flops
    60
    """

    part: str
    rows: int
    inner: int
    columns: int
    batch: int = 1
    calls: int = 1

    @property
    def flops(self) -> int:
        """Floating-point operations in a step: a multiplication and an addition a term."""
        return 2 * self.rows * self.inner * self.columns * self.batch * self.calls


class Share(NamedTuple):
    """Times of a step and of its products alone, taken in turn.

    Attributes:
        flops: of the products of a step.
        steps: seconds of each step.
        products: seconds of the products of a step, alone.
    """

    flops: int
    steps: list[float]
    products: list[float]

    @property
    def shares(self) -> list[float]:
        """Work of a step by its time, over the rate of the products alone: one for each pair.

        The work is the same on both sides, so this is a ratio of times.
        """
        return [alone / whole for alone, whole in zip(self.products, self.steps, strict=True)]


def products(config: RunConfig) -> list[Product]:
    """List every matrix product of a training step of a configuration.

    Counted is what the mathematics needs, however it is computed: convolutions as products of
    the unfolded window, the LSTM's input as one product for the whole window and its
    recurrence as one product a step. Left out is what needs no product: the state before the
    first step is 0, and the gradient of the window is asked for by nobody.
    """
    network = config.outline()
    batch, window = config.train.batch_size, config.data.window
    steps = window // config.model.cnn.pool
    found: list[Product] = []
    for layer in _of(network.cnn, nn.Conv1d):
        inputs = layer.in_channels * layer.kernel_size[0]
        found += _linear("cnn", batch * window, inputs, layer.out_channels, first=not found)
    found += _lstm(network.bilstm.lstm, batch, steps, first=not found)
    if isinstance(network.attention, LastStateAttention):
        found += _last_state(network.attention, batch, steps)
    elif isinstance(network.attention, SelfAttention):
        found += _self_attention(network.attention.attention, batch, steps)
    for name in ("shared", "rul_head", "health_head"):
        for linear in _of(getattr(network, name), nn.Linear):
            found += _linear(name, batch, linear.in_features, linear.out_features)
    return found


def measure(config: RunConfig, repeats: int, *, warm_up: int = 3) -> Share:
    """Time training steps and their products alone, in turn: one, the other, one …, many times.

    Both run on the CPU with the threads that PyTorch has at the moment, on numbers drawn at
    random, in the shapes of the configuration's full batch.

    Args:
        config: whose network, losses, balancer and optimisers make the step.
        repeats: pairs that are timed.
        warm_up: pairs before them that are not.
    """
    listed = products(config)
    with torch.random.fork_rng([]):
        torch.manual_seed(config.seed)
        step, alone = step_of(config), products_of(listed)
    pairs = [(_timed(step), _timed(alone)) for _ in range(warm_up + repeats)][warm_up:]
    return Share(
        flops=sum(product.flops for product in listed),
        steps=[pair[0] for pair in pairs],
        products=[pair[1] for pair in pairs],
    )


def step_of(config: RunConfig) -> Callable[[], object]:
    """Return a function that takes a training step, optimisers included, on one random batch."""
    features = len(config.data.columns) + config.data.cycle_count
    size, classes = config.train.batch_size, config.loss.health.classes
    network = config.model.build(features, classes, config.data.cap)
    trainer = Trainer(config, network, torch.device("cpu"))
    batch = Batch(
        torch.randn(size, config.data.window, features),
        torch.rand(size) * config.data.cap,
        torch.randint(classes, (size,)),
    )
    return lambda: trainer.step(batch, 0, STEADY)


def products_of(listed: list[Product]) -> Callable[[], object]:
    """Return a function that computes the listed products, into memory that it has already."""
    matrices = [_matrices(product) for product in listed]

    def compute() -> None:
        for product, (left, right, result) in zip(listed, matrices, strict=True):
            multiply = torch.mm if product.batch == 1 else torch.bmm
            for _ in range(product.calls):
                multiply(left, right, out=result)

    return compute


def _matrices(product: Product) -> tuple[Tensor, Tensor, Tensor]:
    batch = () if product.batch == 1 else (product.batch,)
    return (
        torch.randn(*batch, product.rows, product.inner),
        torch.randn(*batch, product.inner, product.columns),
        torch.empty(*batch, product.rows, product.columns),
    )


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


# ---- the products of each kind of layer ------------------------------------------------------


def _of(part: nn.Module, kind: type[_Layer]) -> list[_Layer]:
    return [layer for layer in part.modules() if isinstance(layer, kind)]


def _linear(
    part: str, rows: int, inputs: int, outputs: int, *, first: bool = False, calls: int = 1
) -> Iterator[Product]:
    """[rows, inputs] → [rows, outputs]; a first layer owes nobody the gradient of its input."""
    yield Product(f"{part} forward", rows, inputs, outputs, calls=calls)
    yield Product(f"{part} gradient of weights", outputs, rows, inputs, calls=calls)
    if not first:
        yield Product(f"{part} gradient of input", rows, outputs, inputs, calls=calls)


def _lstm(lstm: nn.LSTM, batch: int, steps: int, *, first: bool) -> Iterator[Product]:
    """Two directions in each layer, four gates in each direction."""
    hidden, gates, after_first = lstm.hidden_size, 4 * lstm.hidden_size, steps - 1
    for layer in range(lstm.num_layers):
        inputs = 2 * hidden if layer else lstm.input_size
        yield from _linear(
            "bilstm input", batch * steps, inputs, gates, first=first and not layer, calls=2
        )
        if after_first:
            part, calls = "bilstm recurrence", 2 * after_first
            yield Product(f"{part} forward", batch, hidden, gates, calls=calls)
            yield Product(f"{part} gradient of state", batch, gates, hidden, calls=calls)
            rows = batch * after_first
            yield Product(f"{part} gradient of weights", gates, rows, hidden, calls=2)


def _pairs(part: str, batch: int, rows: int, inner: int, columns: int) -> Iterator[Product]:
    """A product of two matrices that both want a gradient, `batch` times in one call."""
    yield Product(f"{part} forward", rows, inner, columns, batch)
    yield Product(f"{part} gradient of left", rows, columns, inner, batch)
    yield Product(f"{part} gradient of right", inner, rows, columns, batch)


def _last_state(attention: LastStateAttention, batch: int, steps: int) -> Iterator[Product]:
    """The query, the keys' matrix on it, its products with all states, and their mean."""
    hidden, width = attention.query.weight.shape
    yield from _linear("attention query", batch, width, hidden)
    yield from _linear("attention key", batch, hidden, width)
    yield from _pairs("attention scores", batch, 1, width, steps)
    yield from _pairs("attention context", batch, 1, steps, width)


def _self_attention(attention: nn.MultiheadAttention, batch: int, steps: int) -> Iterator[Product]:
    """One query a window, keys and values of all steps, and the layer behind the heads."""
    width, heads = attention.embed_dim, attention.num_heads
    yield from _linear("attention query", batch, width, width)
    yield from _linear("attention key and value", batch * steps, width, 2 * width)
    yield from _pairs("attention scores", batch * heads, 1, width // heads, steps)
    yield from _pairs("attention context", batch * heads, 1, steps, width // heads)
    yield from _linear("attention output", batch, width, width)
