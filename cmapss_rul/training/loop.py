"""The training loop: train an epoch → evaluate → save → log → stop?"""

import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmapss_rul.data.trainset import TrainingData
from cmapss_rul.data.windows import LabelledWindows
from cmapss_rul.display.text import shell_word
from cmapss_rul.intervals.calibration import Calibration
from cmapss_rul.system.errors import RulError
from cmapss_rul.system.signals import Interrupted, StopSignals
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.calibrate import (
    calibrate_network,
    calibration_predictions,
    describe_bounds,
)
from cmapss_rul.training.checkpoint import (
    MEASURES,
    Checkpoint,
    LoopState,
    RunRecord,
    metrics_rows,
    refuse_malformed,
)
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.reporters import Reporter, Row, write_metrics
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.step import NEVER, StepPlan, TrainingStep
from cmapss_rul.training.validation import predict_clamped, validation_metrics


@dataclass
class Loop:
    """A run in progress.

    Attributes:
        data: on the device of the training step.
        record: the parts of a checkpoint that stay as they are, and the clock.
        stop: asked after each step.
        predicted: RUL of the validation windows in the last evaluation, clamped, cycles.
    """

    config: RunConfig
    run: RunFolder
    training_step: TrainingStep
    data: TrainingData
    record: RunRecord
    reporter: Reporter
    stop: StopSignals
    state: LoopState = field(default_factory=LoopState)
    predicted: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def fit(self) -> None:
        """Train until the last epoch, early stopping, or a signal.

        Raises:
            RulError: when the loss or its gradient is not finite; names the step.
            Interrupted: after a signal, with `last.pt` saved.
        """
        self.check_evaluation()
        while not self.is_finished():
            self.train_epoch()
            best = self.evaluate_epoch()
            network = self.training_step.evaluation_network()
            self.reporter.evaluated(self.state.epoch, network, self.data.preprocessor)
            # best.pt goes first: killed in between, the process resumes from the old last.pt,
            # trains this epoch again and writes the same best.pt again
            if best:
                self.save_best()
            self.save_last()
            if self.training_step.group.first:
                write_metrics(self.run.metrics, self.rows)
            self.reporter.epoch_end(self.rows[-1], best)
            self.raise_if_stopped()

    def is_finished(self) -> bool:
        """Whether the last epoch or early stopping was reached."""
        return self.state.is_finished(self.config.train.epochs, self.config.train.patience)

    def check_evaluation(self) -> None:
        """Evaluate two batches before the first step, so that a fault shows at once."""
        if self.state.step == 0:
            some = min(2 * self.config.train.batch_size, len(self.data.validation))
            index = torch.arange(some, device=self.training_step.device)
            self.evaluate(self.data.validation.select(index))

    # ---- train an epoch ---------------------------------------------------------------------

    def train_epoch(self) -> None:
        """Take the steps of an epoch that are not done yet."""
        state, batches, group = self.state, self.draw_batches(), self.training_step.group
        plan = StepPlan.count(self.config, len(batches))
        # float64: in float32 a sum of some hundred losses near 4,000 loses digits of the mean
        sums = torch.tensor(
            state.sums, dtype=self.training_step.sum_dtype, device=self.training_step.device
        )
        done = sum(map(len, batches[: state.batch]))
        epochs, windows = self.config.train.epochs, self.windows_per_epoch
        self.reporter.epoch_start(state.epoch + 1, epochs, windows, done)
        start = time.perf_counter()
        for index in batches[state.batch :]:
            batch = self.data.training.batch(group.local_share(index))
            measures = self.training_step.take(batch, state.step, plan)
            # losses are means over a batch, so they are weighted by its windows: batches differ
            # by one window, and the mean over the epoch is that over all its windows
            sums[:2] += len(index) * measures[:2]
            sums[2:] += measures[2:]
            state.batch += 1
            state.step += 1
            self.reporter.batch_end(len(index))
            # after each step on every rank, or one would wait in an all-reduce for one that left
            group.share_signal(self.stop)
            if self.stop.received is not None:
                break
        state.sums = sums.tolist()  # the only place in an epoch's steps that waits for the device
        self.record.host.clock.training += time.perf_counter() - start
        self.check_finite()  # before any checkpoint: a bad step must not replace the last good one
        if state.batch < len(batches):
            self.save_last()
            self.raise_if_stopped()

    @property
    def draws(self) -> list[tuple[int, int]]:
        """(windows, draws in an epoch) of each set, in their order in the training windows."""
        train, windows = self.config.train, len(self.data.training)
        sizes, shares = [windows], [train.window_share]
        if self.data.auxiliary and train.auxiliary_share is not None:
            sizes = [windows - self.data.auxiliary, self.data.auxiliary]
            shares = [train.window_share, train.auxiliary_share]
        return [(n, max(1, round(share * n))) for n, share in zip(sizes, shares, strict=True)]

    @property
    def windows_per_epoch(self) -> int:
        """Windows that are drawn for an epoch."""
        return sum(draws for _, draws in self.draws)

    def draw_batches(self) -> list[Tensor]:
        """Draw the windows of the running epoch, in batches of nearly equal size.

        The order depends on the seed and the epoch alone, so that a checkpoint needs no state for
        it and every rank draws the same. Epochs count from 1 here: [seed, 0] draws the split.
        """
        generator = np.random.default_rng([self.config.seed, self.state.epoch + 1])
        # neighbouring windows are nearly copies of each other, so a share of them may do: measured
        # on FD001, a quarter took a third of the time, at a validation RMSE of 11.2, not 10.9
        drawn, first = [], 0
        for windows, draws in self.draws:
            drawn.append(first + generator.permutation(windows)[:draws])
            first += windows
        # a single set is in random order already; two are mixed, or one would train after the other
        picked = drawn[0] if len(drawn) == 1 else generator.permutation(np.concatenate(drawn))
        order = torch.from_numpy(picked).to(self.training_step.device)
        # nearly equal sizes: a small last batch would weigh as much as the others in a step
        return list(order.tensor_split(math.ceil(len(order) / self.config.train.batch_size)))

    def check_finite(self) -> None:
        """Stop at a loss or gradient that was not finite; the last checkpoint is retained.

        The training step raises its flag on the device; it is read here, once an epoch, because
        each read waits for the device.
        """
        bad = int(self.training_step.first_bad)
        if bad < NEVER:
            saved = self.run.last.exists()
            saved_text = f"{self.run.last} is retained" if saved else "nothing was saved yet"
            raise RulError(
                f"the loss or its gradient was not finite at step {bad + 1} (epoch "
                f"{self.state.epoch + 1}); {saved_text}; try a smaller train.learning_rate"
            )

    def raise_if_stopped(self) -> None:
        """End the run after a signal; `last.pt` was just saved."""
        self.training_step.group.share_signal(self.stop)
        number = self.stop.received
        if number is not None and not self.is_finished():
            raise Interrupted.by(
                number,
                f" in epoch {self.state.epoch + 1}, the state is saved; resume with: "
                f"rul train --resume {shell_word(self.run.resumed_by)}",
            )

    # ---- evaluate ---------------------------------------------------------------------------

    def evaluate_epoch(self) -> bool:
        """Evaluate, add the epoch's row, and move the state to the next epoch.

        Returns:
            Whether the epoch is the best so far.
        """
        state, start = self.state, time.perf_counter()
        # the others wait for the result, because all ranks stop and cut the rate by it
        measured = self.training_step.group.on_first_rank(self.evaluate, self.data.validation)
        row = {"epoch": state.epoch + 1, **self.training_means(), **measured}
        value = measured[self.config.train.select]
        best = value < state.best_value  # of equal epochs the first is retained
        state.stale = 0 if best else state.stale + 1
        if best:
            state.best_value, state.best_epoch = value, state.epoch + 1
        self.training_step.schedule.epoch_end(measured["val_rmse"])
        self.end_balancer_epoch(row)
        if self.training_step.group.first and len(self.data.bounds):
            network = self.training_step.evaluation_network()
            text = describe_bounds(network, self.data.bounds, self.config.data)
            self.reporter.detail(f"epoch {row['epoch']}: {text}")
        seconds = time.perf_counter() - start
        self.record.host.clock.end_epoch(self.windows_per_epoch, seconds)
        state.history.append(row)
        state.epoch, state.batch, state.sums = state.epoch + 1, 0, [0.0] * len(MEASURES)
        return best

    def end_balancer_epoch(self, row: Row) -> None:
        """Pass the epoch's mean losses to the balancer, and log its diagnostics."""
        # from the row, which is the same for an epoch that was interrupted and resumed
        losses = torch.tensor([row["train_rul_loss"], row["train_health_loss"]])
        losses = losses.to(self.training_step.device)
        self.training_step.balancer.epoch_end(losses)
        values = self.training_step.balancer.diagnostics(losses)
        if values:
            text = ", ".join(f"{name} {float(value):.6g}" for name, value in values.items())
            self.reporter.detail(f"epoch {row['epoch']}: {text}")

    def training_means(self) -> dict[str, float]:
        """Means over the epoch: losses over its windows, the rest over its steps."""
        rul, health, *rest = self.state.sums
        steps, windows = self.state.batch, self.windows_per_epoch
        names = ("weight_rul", "weight_health", "grad_norm", "clipped_share")
        plan = StepPlan.count(self.config, steps)
        return {
            "train_rul_loss": rul / windows,
            "train_health_loss": health / windows,
            **{name: total / steps for name, total in zip(names, rest, strict=True)},
            "learning_rate": self.training_step.learning_rate(self.state.step - 1, plan),
        }

    def evaluate(self, labelled: LabelledWindows) -> dict[str, float]:
        """Compute validation metrics, with the weights that evaluation uses.

        Raises:
            RulError: when a prediction is not finite.
        """
        network, cap = self.training_step.evaluation_network(), self.config.data.cap
        whose = f"a validation engine in epoch {self.state.epoch + 1}"
        self.predicted, probabilities = predict_clamped(network, labelled.windows, cap, whose)
        return validation_metrics(self.predicted, probabilities, labelled)

    # ---- save -------------------------------------------------------------------------------

    @property
    def rows(self) -> list[Row]:
        """Rows of metrics.csv."""
        return metrics_rows(self.state, self.record.host.clock)

    def save_best(self) -> None:
        """Write best.pt with the intervals of its network.

        They follow from its weights and are part of the file when it appears, so that they are
        there wherever the process is killed, and equal those of a run that was not.
        """
        if not self.training_step.group.first:
            return
        network, validation = self.training_step.evaluation_network(), self.data.validation
        predicted = self.predicted
        if len(predicted) != len(validation):  # best.pt is repaired before any evaluation
            cap, whose = self.config.data.cap, "a validation engine"
            predicted, _ = predict_clamped(network, validation.windows, cap, whose)
        calibration = calibrate_network(
            network,
            self.config,
            self.record.engines,
            calibration_predictions(predicted, validation),
            self.data.calibration,
        )
        self.save(self.run.best, calibration=calibration)

    def save_last(self) -> None:
        """Write last.pt; the one before it becomes previous.pt."""
        self.save(self.run.last, keep_as=self.run.previous)

    def save(
        self, path: Path, keep_as: Path | None = None, calibration: Calibration | None = None
    ) -> None:
        """Write a checkpoint from which the loop resumes exactly.

        `keep_as` is a new name of the checkpoint that is at `path` now, if it is to be retained.
        """
        if not self.training_step.group.first:
            return
        content = {
            "format_version": checkpoint_file.FORMAT_VERSION,
            **self.record.model_dump(by_alias=True),
            **self.training_step.state_dict(),
            "rng": rng_state(self.training_step.device),
            "loop": self.state.model_dump(),
        }
        if calibration is not None:
            content["calibration"] = calibration.model_dump()
        checkpoint_file.write(path, content, keep_as)

    def load(self, found: Checkpoint) -> None:
        """Resume from a checkpoint.

        Raises:
            CheckpointError: with the path and what does not fit.
        """
        with refuse_malformed(found.path):
            self.training_step.load_state_dict(found.content)
            self.state = found.loop
            self.record.host.clock = found.host.clock
            set_rng_state(found.content["rng"], self.training_step.device)
        self.run.release()  # the optimisers may share tensors with what was read
        if self.is_finished():  # stopped early, and more epochs were asked for: patience anew
            self.state.stale = 0


def rng_state(device: torch.device) -> dict[str, Tensor | None]:
    """State of the generators that training draws from: dropout and noise."""
    states: dict[str, Tensor | None] = {"cpu": torch.get_rng_state(), "cuda": None}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type != "cpu":
        states[device.type] = torch.get_device_module(device).get_rng_state()
    return states


def set_rng_state(state: dict[str, Tensor | None], device: torch.device) -> None:
    """Restore what `rng_state` returned; a generator that was not saved keeps its state."""
    if state["cpu"] is not None:
        torch.set_rng_state(state["cpu"])
    if state["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
    other = state.get(device.type)
    if other is not None and device.type not in ("cpu", "cuda"):
        torch.get_device_module(device).set_rng_state(other)
