"""Lower bound of the time of a training step: its matrix products alone.

A step consists of the matrix products of the network, forward and backward, which no
implementation can avoid, and of overhead. This module lists the products by shape and times both:
the products alone, and the whole step.
"""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from cmapss_rul.data.windows import Batch
from cmapss_rul.model.attention import LastStateAttention, SelfAttention
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.step import StepPlan, TrainingStep

STEADY = StepPlan(steps=1_000_000, warmup=0)
"""Schedule without warm-up, and too long for any decay."""

_Layer = TypeVar("_Layer", bound=nn.Module)


class Product(NamedTuple):
    """Matrix products of one shape, [rows, inner] × [inner, columns].

    `part` is the part of the network and the purpose of the product; each call multiplies `batch`
    pairs of matrices, and a step has `calls` calls.

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
        """Floating-point operations per step, a multiply-add counted as two."""
        return 2 * self.rows * self.inner * self.columns * self.batch * self.calls


class ProductTimes(NamedTuple):
    """FLOPs of the products; seconds of steps and of products alone, measured alternately."""

    flops: int
    steps: list[float]
    products: list[float]

    @property
    def shares(self) -> list[float]:
        """Time of the products ÷ time of the step, for each pair of measurements.

        Equals the ratio of their FLOP rates, since the FLOPs are the same.
        """
        return [products / step for products, step in zip(self.products, self.steps, strict=True)]


def matrix_products(config: RunConfig) -> list[Product]:
    """List the matrix products of a training step of a configuration.

    The list is independent of the implementation: convolutions are products of the unfolded
    window, the input projection of the LSTM is one product for the whole window, its recurrence
    one product per step. Products with the initial state of the LSTM, which is 0, and for the
    gradient of the input window, which training does not need, are excluded.
    """
    network = config.meta_network()
    batch, window = config.train.batch_size, config.data.window
    steps = window // config.model.cnn.pool
    products: list[Product] = []
    for layer in _layers(network.cnn, nn.Conv1d):
        inputs = layer.in_channels * layer.kernel_size[0]
        products += _linear("cnn", batch * window, inputs, layer.out_channels, first=not products)
    products += _lstm(network.bilstm.lstm, batch, steps, first=not products)
    if isinstance(network.attention, LastStateAttention):
        products += _last_state(network.attention, batch, steps)
    elif isinstance(network.attention, SelfAttention):
        products += _self_attention(network.attention.attention, batch, steps)
    for name in ("shared", "rul_head", "health_head"):
        for linear in _layers(getattr(network, name), nn.Linear):
            products += _linear(name, batch, linear.in_features, linear.out_features)
    return products


def measure_products(config: RunConfig, repeats: int, *, warm_up: int = 3) -> ProductTimes:
    """Time training steps and their products alone, alternately, after `warm_up` untimed pairs.

    Both run on the CPU with the current number of PyTorch threads, on random numbers in the shapes
    of a full batch.
    """
    listed = matrix_products(config)
    with torch.random.fork_rng([]):  # restores the random state of the caller
        torch.manual_seed(config.seed)
        step, products = random_batch_step(config), compute_products(listed)
    pairs = [(_time(step), _time(products)) for _ in range(warm_up + repeats)][warm_up:]
    return ProductTimes(
        flops=sum(product.flops for product in listed),
        steps=[pair[0] for pair in pairs],
        products=[pair[1] for pair in pairs],
    )


def random_batch_step(config: RunConfig) -> Callable[[], object]:
    """Return a function that takes a whole training step on one random batch."""
    features = len(config.data.columns) + config.data.cycle_count
    size, classes = config.train.batch_size, config.loss.health.classes
    step = TrainingStep(config, config.build_network(), torch.device("cpu"))
    batch = Batch(
        torch.randn(size, config.data.window, features),
        torch.rand(size) * config.data.cap,
        torch.randint(classes, (size,)),
        torch.zeros(size, dtype=torch.int64),
    )
    return lambda: step.take(batch, 0, STEADY)


def compute_products(listed: list[Product]) -> Callable[[], object]:
    """Return a function that computes the listed products into preallocated results."""
    matrices = [_matrices(product) for product in listed]

    def compute() -> None:
        for product, (left, right, result) in zip(listed, matrices, strict=True):
            # *measured*: oneDNN, used by the LSTM, is faster for some shapes: a share may exceed 1
            multiply = torch.mm if product.batch == 1 else torch.bmm
            for _ in range(product.calls):
                multiply(left, right, out=result)  # without the cost of an allocation

    return compute


def _matrices(product: Product) -> tuple[Tensor, Tensor, Tensor]:
    batch = () if product.batch == 1 else (product.batch,)
    return (
        torch.randn(*batch, product.rows, product.inner),
        torch.randn(*batch, product.inner, product.columns),
        torch.empty(*batch, product.rows, product.columns),
    )


def _time(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


# ---- the products of each kind of layer ------------------------------------------------------


def _layers(part: nn.Module, kind: type[_Layer]) -> list[_Layer]:
    return [layer for layer in part.modules() if isinstance(layer, kind)]


def _linear(
    part: str, rows: int, inputs: int, outputs: int, *, first: bool = False, calls: int = 1
) -> Iterator[Product]:
    """Yield products of [rows, inputs] → [rows, outputs]; a first layer has no input gradient."""
    yield Product(f"{part} forward", rows, inputs, outputs, calls=calls)
    yield Product(f"{part} gradient of weights", outputs, rows, inputs, calls=calls)
    if not first:
        yield Product(f"{part} gradient of input", rows, outputs, inputs, calls=calls)


def _lstm(lstm: nn.LSTM, batch: int, steps: int, *, first: bool) -> Iterator[Product]:
    """Yield the products of a bidirectional LSTM, with four gates per direction."""
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
            # a single product over all steps, once the gradients of all gates are known
            rows = batch * after_first
            yield Product(f"{part} gradient of weights", gates, rows, hidden, calls=2)


def _pairs(part: str, batch: int, rows: int, inner: int, columns: int) -> Iterator[Product]:
    """Yield a product of two matrices that both need a gradient, `batch` times in one call."""
    yield Product(f"{part} forward", rows, inner, columns, batch)
    yield Product(f"{part} gradient of left", rows, columns, inner, batch)
    yield Product(f"{part} gradient of right", inner, rows, columns, batch)


def _last_state(attention: LastStateAttention, batch: int, steps: int) -> Iterator[Product]:
    """Yield query, key projection of the query, scores over all states, and weighted mean."""
    hidden, width = attention.query.weight.shape
    # the key matrix is applied to the query, not to every state; see `LastStateAttention`
    yield from _linear("attention query", batch, width, hidden)
    yield from _linear("attention key", batch, hidden, width)
    yield from _pairs("attention scores", batch, 1, width, steps)
    yield from _pairs("attention context", batch, 1, steps, width)


def _self_attention(attention: nn.MultiheadAttention, batch: int, steps: int) -> Iterator[Product]:
    """Yield one query per window, keys and values of all steps, and the output projection."""
    width, heads = attention.embed_dim, attention.num_heads
    yield from _linear("attention query", batch, width, width)
    yield from _linear("attention key and value", batch * steps, width, 2 * width)
    yield from _pairs("attention scores", batch * heads, 1, width // heads, steps)
    yield from _pairs("attention context", batch * heads, 1, steps, width // heads)
    yield from _linear("attention output", batch, width, width)
