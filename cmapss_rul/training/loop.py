"""The training loop: train an epoch → evaluate → save → log → stop early?"""

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
    describe_bound_violations,
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
    """A training run in progress.

    Attributes:
        data: windows, on the device of the training step.
        record: the constant parts of the checkpoint, and the clock.
        stop: received signals, checked after each step.
        predicted: [window], clamped RUL of the validation windows in the last evaluation, cycles.
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
            RulError: the loss or its gradient is not finite; names the step.
            Interrupted: a signal was received; `last.pt` is saved.
        """
        self.check_evaluation()
        while not self.is_finished():
            self.train_epoch()
            best = self.evaluate_epoch()
            network = self.training_step.evaluation_network()
            self.reporter.evaluated(self.state.epoch, network, self.data.preprocessor)
            # best.pt before last.pt: a process killed in between resumes from the old last.pt,
            # repeats the epoch, and writes the same best.pt; in the opposite order, the best
            # weights would be lost
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
        """Evaluate two batches before the first step, to fail early instead of after an epoch."""
        if self.state.step == 0:
            some = min(2 * self.config.train.batch_size, len(self.data.validation))
            index = torch.arange(some, device=self.training_step.device)
            self.evaluate(self.data.validation.select(index))

    # ---- train an epoch ---------------------------------------------------------------------

    def train_epoch(self) -> None:
        """Take the remaining steps of the current epoch."""
        state, batches, group = self.state, self.draw_batches(), self.training_step.group
        plan = StepPlan.count(self.config, len(batches))
        # float64: a float32 sum of some hundred losses near 4,000 loses digits
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
            # losses are means over a batch, whose sizes differ by one window: weighted by size,
            # they give the mean over all windows of the epoch
            sums[:2] += len(index) * measures[:2]
            sums[2:] += measures[2:]
            state.batch += 1
            state.step += 1
            self.reporter.batch_end(len(index))
            # exchanged after each step: a rank that left the loop alone would make the others
            # wait for it in their next all-reduce
            if group.share_signal(self.stop) is not None:
                break
        state.sums = sums.tolist()  # the first host synchronisation of the epoch
        self.record.host.clock.training += time.perf_counter() - start
        self.check_finite()  # before any checkpoint, so that the last good one is not overwritten
        if state.batch < len(batches):
            self.save_last()
            self.raise_if_stopped()

    @property
    def draws(self) -> list[tuple[int, int]]:
        """(windows, windows drawn per epoch) of the main and, if separate, the auxiliary set."""
        train, windows = self.config.train, len(self.data.training)
        sizes, shares = [windows], [train.window_share]
        if self.data.auxiliary and train.auxiliary_share is not None:
            sizes = [windows - self.data.auxiliary, self.data.auxiliary]
            shares = [train.window_share, train.auxiliary_share]
        return [(n, max(1, round(share * n))) for n, share in zip(sizes, shares, strict=True)]

    @property
    def windows_per_epoch(self) -> int:
        """Number of windows drawn per epoch."""
        return sum(draws for _, draws in self.draws)

    def draw_batches(self) -> list[Tensor]:
        """Draw the windows of the current epoch, in batches of nearly equal size.

        The order depends only on seed and epoch, so that a checkpoint needs no state for it, and
        all ranks draw the same. Epochs count from 1, so that [seed, 0] is never used here: as a
        seed it equals `seed` alone, with which the split is drawn.
        """
        generator = np.random.default_rng([self.config.seed, self.state.epoch + 1])
        # neighbouring windows are nearly identical, so a share of them may suffice: *measured* on
        # FD001, a quarter takes a third of the time, at a validation RMSE of 11.2 instead of 10.9
        drawn, first = [], 0
        for windows, draws in self.draws:
            drawn.append(first + generator.permutation(windows)[:draws])
            first += windows
        # a single set is already shuffled; two are shuffled together
        picked = drawn[0] if len(drawn) == 1 else generator.permutation(np.concatenate(drawn))
        order = torch.from_numpy(picked).to(self.training_step.device)
        # nearly equal sizes: the windows of a small last batch would have a larger weight
        return list(order.tensor_split(math.ceil(len(order) / self.config.train.batch_size)))

    def check_finite(self) -> None:
        """Fail if a loss or gradient was not finite; the last checkpoint is retained.

        The training step sets a flag on the device, which is read here, once per epoch, because
        each read is a host synchronisation.
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
        """Raise `Interrupted` if a signal was received; the state has just been saved."""
        number = self.training_step.group.share_signal(self.stop)
        if number is not None and not self.is_finished():
            raise Interrupted.by(
                number,
                f" in epoch {self.state.epoch + 1}, the state is saved; resume with: "
                f"rul train --resume {shell_word(self.run.resumed_by)}",
            )

    # ---- evaluate ---------------------------------------------------------------------------

    def evaluate_epoch(self) -> bool:
        """Evaluate, append the epoch's row, and advance the state to the next epoch.

        Returns:
            Whether the epoch is the best so far.
        """
        state, start = self.state, time.perf_counter()
        # rank 0 evaluates; all need the result, for early stopping and the plateau schedule
        measured = self.training_step.group.on_first_rank(self.evaluate, self.data.validation)
        row = {"epoch": state.epoch + 1, **self.training_means(), **measured}
        value = measured[self.config.train.select]
        best = value < state.best_value  # of ties, the first epoch is kept
        state.stale = 0 if best else state.stale + 1
        if best:
            state.best_value, state.best_epoch = value, state.epoch + 1
        self.training_step.schedule.epoch_end(measured["val_rmse"])
        self.end_balancer_epoch(row)
        if self.training_step.group.first and len(self.data.bounds):
            network = self.training_step.evaluation_network()
            text = describe_bound_violations(network, self.data.bounds, self.config.data)
            self.reporter.detail(f"epoch {row['epoch']}: {text}")
        seconds = time.perf_counter() - start
        self.record.host.clock.end_epoch(self.windows_per_epoch, seconds)
        state.history.append(row)
        state.epoch, state.batch, state.sums = state.epoch + 1, 0, [0.0] * len(MEASURES)
        return best

    def end_balancer_epoch(self, row: Row) -> None:
        """Pass the epoch's mean losses to the balancer, and log its diagnostics."""
        # from the row, which is the same if the epoch was interrupted and resumed
        losses = torch.tensor([row["train_rul_loss"], row["train_health_loss"]])
        losses = losses.to(self.training_step.device)
        self.training_step.balancer.epoch_end(losses)
        values = self.training_step.balancer.diagnostics(losses)
        if values:
            text = ", ".join(f"{name} {float(value):.6g}" for name, value in values.items())
            self.reporter.detail(f"epoch {row['epoch']}: {text}")

    def training_means(self) -> dict[str, float]:
        """Return means over the epoch: losses over windows, the rest over steps."""
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
        """Compute validation metrics, with the averaged weights if there are any.

        Raises:
            RulError: a prediction is not finite.
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
        """Write best.pt, including the calibration of its intervals.

        Calibrated at once rather than at the end of the run, so that best.pt is complete whenever
        the process is killed.
        """
        if not self.training_step.group.first:
            return
        network, validation = self.training_step.evaluation_network(), self.data.validation
        predicted = self.predicted
        if len(predicted) != len(validation):  # when repairing best.pt, before any evaluation
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
        """Write last.pt; the former one becomes previous.pt."""
        self.save(self.run.last, keep_as=self.run.previous)

    def save(
        self, path: Path, keep_as: Path | None = None, calibration: Calibration | None = None
    ) -> None:
        """Write a checkpoint from which the loop resumes bit for bit.

        `keep_as` is the new name of the existing checkpoint at `path`, if it is to be kept.
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
        """Restore the state from a checkpoint.

        Raises:
            CheckpointError: the checkpoint does not match; names path and reason.
        """
        with refuse_malformed(found.path):
            self.training_step.load_state_dict(found.content)
            self.state = found.loop
            self.record.host.clock = found.host.clock
            set_rng_state(found.content["rng"], self.training_step.device)
        self.run.release()  # drop the cached content: the optimisers may share its tensors
        if self.is_finished():  # stopped early, and now trained further: reset the patience
            self.state.stale = 0


def rng_state(device: torch.device) -> dict[str, Tensor | None]:
    """Return the states of torch's global generators, used by dropout, noise and balancers."""
    states: dict[str, Tensor | None] = {"cpu": torch.get_rng_state(), "cuda": None}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type != "cpu":
        states[device.type] = torch.get_device_module(device).get_rng_state()
    return states


def set_rng_state(state: dict[str, Tensor | None], device: torch.device) -> None:
    """Restore the states returned by `rng_state`; a generator that was not saved is unchanged."""
    if state["cpu"] is not None:
        torch.set_rng_state(state["cpu"])
    if state["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
    other = state.get(device.type)
    if other is not None and device.type not in ("cpu", "cuda"):
        torch.get_device_module(device).set_rng_state(other)
