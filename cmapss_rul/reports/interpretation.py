"""Attention weights over time, and permutation importance of the inputs."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cmapss_rul.data.labels import health_class_names
from cmapss_rul.data.windows import Windows
from cmapss_rul.display.plotting import COLOURS, DASHES, legend_below
from cmapss_rul.display.text import counted
from cmapss_rul.evaluation.results import Evaluation
from cmapss_rul.metrics.regression import rmse
from cmapss_rul.model.network import PREDICTION_BATCH
from cmapss_rul.reports.page import Missing, Part, Plot
from cmapss_rul.reports.rul_plots import WIDTH
from cmapss_rul.training.trained_model import TrainedModel

WINDOWS, REPEATS = 1_000, 5  # *guess*: enough for a stable order of the most important inputs


def interpretation_parts(model: TrainedModel, evaluation: Evaluation) -> Iterator[Part]:
    """Yield the plots of attention and importance."""
    found = attention_over_time(model, evaluation)
    if isinstance(found, str):
        yield Missing(found)
    else:
        protocol = evaluation.protocol
        peak = float(found.ago[found.weights.mean(axis=0).argmax()])
        classes = health_class_names(protocol.boundaries, protocol.cap)
        yield Plot(
            "attention",
            "Attention over time: mean weight of each step, by true class; last windows without "
            "padding",
            f"Lines over {len(found.ago)} steps of {counted(found.step, found.row)}; averaged over "
            f"{counted(len(found.weights), 'engine')} the step {peak:g} {found.row}s before the "
            "end has the largest weight.",
            partial(plot_attention, found, classes),
        )
    importance = permutation_importance(model, evaluation)
    increase = importance.increase.mean(axis=1)
    order = np.argsort(-increase)
    top = ", ".join(f"{importance.inputs[i]} ({increase[i]:+.2f})" for i in order[:5])
    yield Plot(
        "importance",
        "Permutation importance: increase of the RMSE when the values of an input are taken from "
        f"another window; {importance.windows:,} windows of the test engines, a point per shuffle. "
        "Each of several correlated inputs may look unimportant, since the others replace it",
        f"Bar chart. RMSE without shuffling {importance.rmse:.2f} {importance.unit}; largest "
        f"increases: {top}.",
        partial(plot_importance, importance),
    )


@dataclass(frozen=True, eq=False)
class Attention:
    """Attention weights in the last windows of the test engines.

    Attributes:
        weights: [engine, step], each row sums to 1; oldest step first.
        ago: [step], cycles from the middle of each step to the last cycle of the window.
        step: cycles per step.
        health: [engine], true class at the last window.
        row: noun for a row of a record, such as 'cycle'.
    """

    weights: NDArray[np.float64]
    ago: NDArray[np.float64]
    step: int
    health: NDArray[np.int64]
    row: str = "cycle"


@torch.inference_mode()
def attention_over_time(model: TrainedModel, evaluation: Evaluation) -> Attention | str:
    """Compute the attention weights of the last windows, or return the reason why there are none.

    Padded windows are excluded: their oldest rows are copies, not measured cycles.
    """
    complete = ~evaluation.predictions.padded[evaluation.last]
    rows = evaluation.last[complete]
    if not len(rows):
        return "attention: every test record is shorter than the window"
    windows = _windows_ending_at(model, evaluation, rows)
    batches = []
    for part in torch.split(
        torch.arange(len(windows), device=windows.ends.device), PREDICTION_BATCH
    ):
        batch = model.network.attention_weights(windows.gather(part), windows.padding(part))
        if batch is None:
            return "attention: this network has none, it uses only the last state"
        batches.append(batch)
    weights = torch.cat(batches).cpu().numpy().astype(np.float64)
    # pooling in the CNN merges several cycles into one step
    step = model.config.data.window // weights.shape[1]
    ago = step * np.arange(weights.shape[1])[::-1] + (step - 1) / 2
    return Attention(weights, ago, step, evaluation.truth.health[rows], evaluation.protocol.row)


def plot_attention(found: Attention, classes: list[str]) -> Figure:
    """Plot the mean attention weight by step, one line per true health class."""
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    axes = figure.subplots()
    for health, name in enumerate(classes):  # a class without an engine has no line
        of_class = found.weights[found.health == health]
        if len(of_class):
            axes.plot(
                found.ago, of_class.mean(axis=0), color=COLOURS[health % len(COLOURS)],
                linestyle=DASHES[health % len(DASHES)], linewidth=1.6,
                label=f"{name}: {counted(len(of_class), 'engine')}",
            )  # fmt: skip
    axes.axhline(1 / len(found.ago), color="#595959", linestyle=":", label="uniform")
    # cycles are counted back from the end, but time runs from left to right
    axes.invert_xaxis()
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"{found.row}s before the last {found.row} of the window")
    each = f"a {found.row}" if found.step == 1 else f"{found.step} {found.row}s"
    axes.set_ylabel(f"attention weight of {each}, share")
    legend_below(figure, axes, 2)
    return figure


@dataclass(frozen=True, eq=False)
class Importance:
    """Increase of the error when each input is shuffled.

    Attributes:
        inputs: [input], names.
        increase: [input, repeat], RMSE with the input shuffled − RMSE without, cycles.
        rmse: RMSE without shuffling, capped labels, cycles.
        windows: number of windows.
        unit: unit of the RMSE.
    """

    inputs: tuple[str, ...]
    increase: NDArray[np.float64]
    rmse: float
    windows: int
    unit: str = "cycles"


@torch.inference_mode()
def permutation_importance(model: TrainedModel, evaluation: Evaluation) -> Importance:
    """Measure the increase of the RMSE when one input at a time is shuffled between windows.

    The whole trajectory of an input over a window is exchanged with that of another window: its
    shape stays plausible, its information about this window is lost. Up to 1,000 windows, spread
    evenly over all cycles of the test engines; five shuffles per input, the same in every call.
    Each of several correlated inputs may look unimportant.

    Source: Breiman, "Random forests", Machine Learning 45 (2001), section 10; as a difference of
    errors in Fisher, Rudin and Dominici, JMLR 20 (2019), section 3.
    """
    fleet = evaluation.fleet
    count = min(WINDOWS, fleet.rows)
    # evenly spaced, not random: includes every age and needs no seed
    rows = np.linspace(0, fleet.rows - 1, count).round().astype(np.int64)
    windows = _windows_ending_at(model, evaluation, rows)
    true = evaluation.truth.capped[rows]
    base = rmse(_predict_shuffled(model, windows, None, 0), true)
    # the same shuffles for every input, so that differences between inputs are not due to chance
    generator = np.random.default_rng(0)
    orders = [
        torch.from_numpy(generator.permutation(count)).to(windows.ends.device)
        for _ in range(REPEATS)
    ]
    inputs = model.preprocessor.features
    increase = [
        [rmse(_predict_shuffled(model, windows, order, column), true) - base for order in orders]
        for column in range(len(inputs))
    ]
    return Importance(inputs, np.array(increase), base, count, evaluation.protocol.unit)


def _windows_ending_at(
    model: TrainedModel, evaluation: Evaluation, rows: NDArray[np.int64]
) -> Windows:
    """Return the scaled windows that end at these rows, on the device of the network."""
    device = next(model.network.parameters()).device
    series = torch.from_numpy(model.preprocessor.transform(evaluation.fleet)).to(device)
    return Windows.ending_at(series, evaluation.fleet, rows, model.config.data.window)


def _predict_shuffled(
    model: TrainedModel, windows: Windows, order: torch.Tensor | None, column: int
) -> NDArray[np.float64]:
    """Predict [window], RUL in [0, cap], with one input taken from other windows."""
    index = torch.arange(len(windows), device=windows.ends.device)
    predicted = []
    for part in torch.split(index, PREDICTION_BATCH):
        batch = windows.gather(part)
        if order is not None:
            # an ensemble concatenates the inputs of its networks: shuffle this one in each
            same = slice(column, None, len(model.preprocessor.features))
            batch[:, :, same] = windows.gather(order[part])[:, :, same]
        # only the values are exchanged, not the padding
        predicted.append(model.network(batch, windows.padding(part)).rul)
    unclamped = torch.cat(predicted).cpu().numpy().astype(np.float64)
    return np.clip(unclamped, 0, model.config.data.cap)


def plot_importance(found: Importance) -> Figure:
    """Plot the increase of the RMSE by input: bars are means, points are shuffles."""
    order = np.argsort(found.increase.mean(axis=1), kind="stable")
    figure = Figure(figsize=(WIDTH, 0.9 + 0.2 * len(order)), layout="constrained")
    axes = figure.subplots()
    place = np.arange(len(order))
    axes.barh(place, found.increase[order].mean(axis=1), color=COLOURS[6], height=0.7)
    for repeat in found.increase[order].T:
        axes.plot(repeat, place, "o", color="k", markersize=2)
    axes.axvline(0, color="k", linewidth=1)
    axes.set_yticks(place, [found.inputs[column] for column in order])
    axes.margins(y=0.01)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"increase of the RMSE with the input shuffled, {found.unit}")
    return figure
