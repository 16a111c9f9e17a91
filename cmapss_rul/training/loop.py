"""The training loop: train an epoch → evaluate → save → log → stop?"""

import math
import signal
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmapss_rul.data.preprocess import Preprocessor
from cmapss_rul.data.windows import LabelledWindows
from cmapss_rul.display.text import shell_word
from cmapss_rul.intervals.calibration import Calibration
from cmapss_rul.metrics.regression import nasa_mean, rmse
from cmapss_rul.model.network import predict
from cmapss_rul.system.errors import RulError
from cmapss_rul.system.signals import Interrupted, StopSignals
from cmapss_rul.training import checkpoint
from cmapss_rul.training.calibrate import calibration_of, clamped, held_out
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.loggers import Reporter, Row, write_metrics
from cmapss_rul.training.optimisation import MEASURES, NEVER, Plan, Trainer
from cmapss_rul.training.runs import RunFolder, finished, rows_of


@dataclass
class LoopState:
    """Where the loop stands: saved as it is.

    Attributes:
        epoch: finished epochs.
        batch: batches done in the running epoch.
        step: steps done in the run.
        sums: of `MEASURES` over the running epoch; losses times the windows of their batch.
        best_rmse: the lowest validation RMSE so far, cycles.
        best_epoch: its epoch.
        stale: epochs since then.
        history: rows of metrics.csv without times.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0] * len(MEASURES))
    best_rmse: float = math.inf
    best_epoch: int = 0
    stale: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Clock:
    """Times, kept apart from the state because they differ between equal runs.

    Attributes:
        training: seconds of training in the running epoch.
        rows: `windows_per_second` and `seconds` of each finished epoch.
    """

    training: float = 0.0
    rows: list[dict[str, float]] = field(default_factory=list)

    def end_epoch(self, windows: int, evaluating: float) -> None:
        """Note the times of an epoch that trained on so many windows."""
        rate = windows / max(self.training, 1e-9)
        seconds = self.training + evaluating
        self.rows.append({"windows_per_second": round(rate, 1), "seconds": round(seconds, 3)})
        self.training = 0.0


@dataclass
class Loop:
    """A run in progress.

    Attributes:
        config: of the run.
        run: its folder.
        trainer: network, losses, balancer, optimisers.
        training: windows of the training engines, on the trainer's device; those of auxiliary
            fleets last.
        auxiliary: how many of them are of auxiliary fleets.
        validation: windows of the validation engines, on the trainer's device.
        calibration: windows of the engines kept for the intervals, on the trainer's device.
        facts: the parts of a checkpoint that do not change during a run.
        preprocessor: fitted on the training engines, for the reporter.
        reporter: receives the events of the run.
        stop: asked after each step.
        state: where the loop stands.
        clock: times.
        predicted: RUL of the validation windows in the last evaluation, clamped, cycles.
    """

    config: RunConfig
    run: RunFolder
    trainer: Trainer
    training: LabelledWindows
    auxiliary: int
    validation: LabelledWindows
    calibration: LabelledWindows
    facts: dict[str, Any]
    preprocessor: Preprocessor
    reporter: Reporter
    stop: StopSignals
    state: LoopState = field(default_factory=LoopState)
    clock: Clock = field(default_factory=Clock)
    predicted: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def fit(self) -> None:
        """Train until the last epoch, early stopping, or a signal.

        Raises:
            RulError: when the loss or its gradient is not finite; names the step.
            Interrupted: after a signal, with `last.pt` saved.
        """
        self.check()
        while not self.done():
            self.train_epoch()
            best = self.evaluate_epoch()
            network = self.trainer.evaluation_network()
            self.reporter.evaluated(self.state.epoch, network, self.preprocessor)
            if best:  # before last.pt: whoever is killed in between does this epoch again
                self.save_best()
            self.save(self.run.last, former=self.run.previous)
            if self.trainer.ranks.first:
                write_metrics(self.run.metrics, self.rows())
            self.reporter.epoch_end(self.rows()[-1], best)
            self.heed_signals()

    def done(self) -> bool:
        """Whether the last epoch or early stopping was reached."""
        return finished({"config": self.config.without_host_facts(), **self.standing()})

    def check(self) -> None:
        """Evaluate two batches before the first step, so that a fault shows at once."""
        if self.state.step == 0:
            some = min(2 * self.config.train.batch_size, len(self.validation))
            self.evaluate(self.validation.select(torch.arange(some, device=self.trainer.device)))

    # ---- train an epoch ---------------------------------------------------------------------

    def train_epoch(self) -> None:
        """Take the steps of an epoch that are not done yet."""
        state, batches, ranks = self.state, self.batches(), self.trainer.ranks
        plan = Plan.of(self.config, len(batches))
        sums = torch.tensor(state.sums, dtype=torch.float64, device=self.trainer.device)
        done = sum(map(len, batches[: state.batch]))
        self.reporter.epoch_start(state.epoch + 1, self.config.train.epochs, self.drawn, done)
        start = time.perf_counter()
        for index in batches[state.batch :]:
            batch = self.training.batch(ranks.share(index))
            measures = self.trainer.step(batch, state.step, plan)
            sums[:2] += len(index) * measures[:2]
            sums[2:] += measures[2:]
            state.batch += 1
            state.step += 1
            self.reporter.batch_end(len(index))
            ranks.agree(self.stop)
            if self.stop.received is not None:
                break
        state.sums = sums.tolist()  # the one place in an epoch's steps that waits for the device
        self.clock.training += time.perf_counter() - start
        self.refuse_non_finite()
        if state.batch < len(batches):
            self.save(self.run.last, former=self.run.previous)
            self.heed_signals()

    @property
    def shares(self) -> list[tuple[int, int]]:
        """Sets that an epoch draws from, one behind the other in `training`: windows and draws."""
        train, windows = self.config.train, len(self.training)
        sizes, shares = [windows], [train.window_share]
        if self.auxiliary and train.auxiliary_share is not None:
            sizes = [windows - self.auxiliary, self.auxiliary]
            shares = [train.window_share, train.auxiliary_share]
        return [(n, max(1, round(share * n))) for n, share in zip(sizes, shares, strict=True)]

    @property
    def drawn(self) -> int:
        """Windows in an epoch."""
        return sum(draws for _, draws in self.shares)

    def batches(self) -> list[Tensor]:
        """Draw the windows of the running epoch, in batches of nearly equal size.

        The order depends on the seed and the epoch alone, so that it needs no state. Epochs
        count from 1 there: [seed, 0] is the generator that draws the split.
        """
        generator = np.random.default_rng([self.config.seed, self.state.epoch + 1])
        drawn, first = [], 0
        for windows, draws in self.shares:
            drawn.append(first + generator.permutation(windows)[:draws])
            first += windows
        picked = drawn[0] if len(drawn) == 1 else generator.permutation(np.concatenate(drawn))
        order = torch.from_numpy(picked).to(self.trainer.device)
        return list(order.tensor_split(math.ceil(len(order) / self.config.train.batch_size)))

    def refuse_non_finite(self) -> None:
        """Stop at a loss or gradient that was not finite; the last checkpoint stays."""
        bad = int(self.trainer.first_bad)
        if bad < NEVER:
            kept = f"{self.run.last} is kept" if self.run.last.exists() else "nothing was saved yet"
            raise RulError(
                f"the loss or its gradient was not finite at step {bad + 1} (epoch "
                f"{self.state.epoch + 1}); {kept}; try a smaller train.learning_rate"
            )

    def heed_signals(self) -> None:
        """Leave after a signal; `last.pt` was just saved."""
        self.trainer.ranks.agree(self.stop)
        number = self.stop.received
        if number is not None and not self.done():
            raise Interrupted(
                f"stopped by {signal.Signals(number).name} in epoch {self.state.epoch + 1}, all is "
                f"saved; go on with: rul train --resume {shell_word(self.run.path)}",
                exit_code=128 + number,
            )

    # ---- evaluate ---------------------------------------------------------------------------

    def evaluate_epoch(self) -> bool:
        """Evaluate, note the epoch's row, and move the state to the next epoch.

        Returns:
            Whether the epoch is the best so far.
        """
        state, start = self.state, time.perf_counter()
        measured = self.trainer.ranks.of_first(lambda: self.evaluate(self.validation))
        row = {"epoch": state.epoch + 1, **self.training_means(), **measured}
        best = measured["val_rmse"] < state.best_rmse
        state.stale = 0 if best else state.stale + 1
        if best:
            state.best_rmse, state.best_epoch = measured["val_rmse"], state.epoch + 1
        self.trainer.schedule.epoch_end(measured["val_rmse"])
        self.end_balancers_epoch(row)
        self.clock.end_epoch(self.drawn, time.perf_counter() - start)
        state.history.append(row)
        state.epoch, state.batch, state.sums = state.epoch + 1, 0, [0.0] * len(MEASURES)
        return best

    def end_balancers_epoch(self, row: Row) -> None:
        """Tell the balancer the epoch's mean losses, and log what it has to say about them."""
        losses = torch.tensor([row["train_rul_loss"], row["train_health_loss"]])
        losses = losses.to(self.trainer.device)
        self.trainer.balancer.epoch_end(losses)
        values = self.trainer.balancer.diagnostics(losses)
        if values:
            said = ", ".join(f"{name} {float(value):.6g}" for name, value in values.items())
            self.reporter.detail(f"epoch {row['epoch']}: {said}")

    def training_means(self) -> dict[str, float]:
        """Means over the epoch: losses over its windows, the rest over its steps."""
        rul, health, *rest = self.state.sums
        steps = self.state.batch
        names = ("weight_rul", "weight_health", "grad_norm", "clipped_share")
        plan = Plan.of(self.config, steps)
        return {
            "train_rul_loss": rul / self.drawn,
            "train_health_loss": health / self.drawn,
            **{name: total / steps for name, total in zip(names, rest, strict=True)},
            "learning_rate": self.trainer.rate(self.state.step - 1, plan),
        }

    def evaluate(self, labelled: LabelledWindows) -> dict[str, float]:
        """Figures over windows, with the weights that evaluation uses.

        Raises:
            RulError: when a prediction is not finite.
        """
        rul, probabilities = predict(self.trainer.evaluation_network(), labelled.windows)
        self.predicted = rul.clamp(0, self.config.data.cap).double().cpu().numpy()
        true = labelled.rul.double().cpu().numpy()
        if not rul.isfinite().all():  # before the clamp, which would turn infinity into the cap
            raise RulError(
                f"a prediction for a validation engine was not finite in epoch "
                f"{self.state.epoch + 1}; try a smaller train.learning_rate"
            )
        right = probabilities.argmax(dim=1) == labelled.health
        return {
            "val_rmse": rmse(self.predicted, true),
            "val_nasa": nasa_mean(self.predicted, true),
            "val_health_accuracy": float(right.double().mean()),
        }

    # ---- save -------------------------------------------------------------------------------

    def rows(self) -> list[Row]:
        """Rows of metrics.csv."""
        return rows_of(self.standing())

    def standing(self) -> dict[str, Any]:
        """The parts of a checkpoint that say where the loop stands."""
        return {
            "loop": asdict(self.state),
            "host": {**self.facts["host"], "clock": asdict(self.clock)},
        }

    def save_best(self) -> None:
        """Write best.pt with the intervals of its network.

        They depend on its weights alone and are in the file from its first byte on, so that it
        has them wherever the run is killed, and the same ones as a run that was not.
        """
        if not self.trainer.ranks.first:
            return
        network, cap = self.trainer.evaluation_network(), self.config.data.cap
        validated = self.predicted  # in the epoch's evaluation; not yet where best.pt is mended
        if len(validated) != len(self.validation):
            validated = clamped(network, self.validation.windows, cap)
        calibration = calibration_of(
            network,
            self.config,
            self.facts["split"],
            held_out(validated, self.validation),
            self.calibration,
        )
        self.save(self.run.best, calibration=calibration)

    def save(
        self, path: Path, former: Path | None = None, calibration: Calibration | None = None
    ) -> None:
        """Write a checkpoint from which the loop goes on exactly.

        Args:
            path: where it will stand.
            former: the name under which the checkpoint that stood there is kept, if any.
            calibration: what its intervals are made of, if any.
        """
        if not self.trainer.ranks.first:
            return
        content = {
            **self.facts,
            **self.trainer.state_dict(),
            "rng": rng_state(self.trainer.device),
            **self.standing(),
        }
        if calibration is not None:
            content["calibration"] = calibration.model_dump()
        checkpoint.write(path, content, former)

    def load(self, content: dict[str, Any]) -> None:
        """Go on from a checkpoint's content."""
        with checkpoint.whole_parts(self.run.last):
            self.trainer.load_state_dict(content)
            self.state = LoopState(**content["loop"])
            self.clock = Clock(**content["host"]["clock"])
            set_rng_state(content["rng"], self.trainer.device)


def rng_state(device: torch.device) -> dict[str, Tensor | None]:
    """State of the generators that training draws from: dropout and noise."""
    cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def set_rng_state(state: dict[str, Tensor | None], device: torch.device) -> None:
    """The inverse of `rng_state`; a generator that was not saved keeps its state."""
    if state["cpu"] is not None:
        torch.set_rng_state(state["cpu"])
    if state["cuda"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
