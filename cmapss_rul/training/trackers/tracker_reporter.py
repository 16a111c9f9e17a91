"""Passes the events of a run to its trackers; a failing tracker never stops the training.

A remote tracker is called from its own thread, so that it does not slow down training. Its first
error is reported in one line and ends the tracking. `trackers.json` in the run folder stores the
run's id in each tracker, so that a resumed run continues there.
"""

import json
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cmapss_rul.display.text import json_text
from cmapss_rul.system.errors import RulError, UsageError, one_line, printable
from cmapss_rul.system.files import write_atomic
from cmapss_rul.training.config import RunConfig, flatten
from cmapss_rul.training.reporters import Reporter, Row, read_metrics
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.trackers.base import TrackedRun, Tracker
from cmapss_rul.training.trackers.csv import CsvTracker
from cmapss_rul.training.trackers.mlflow import MlflowTracker
from cmapss_rul.training.trackers.tensorboard import TensorBoardTracker
from cmapss_rul.training.trackers.trackio import TrackioTracker
from cmapss_rul.training.trackers.wandb import WandbTracker
from cmapss_rul.version import __version__

TRACKERS: Mapping[str, Callable[[], Tracker]] = {
    "csv": CsvTracker,
    "mlflow": MlflowTracker,
    "tensorboard": TensorBoardTracker,
    "trackio": TrackioTracker,
    "wandb": WandbTracker,
}
SECONDS = 60.0
"""Time-out of a tracker after the run. A *guess*: uploading a checkpoint takes less."""

SECONDS_AFTER_SIGNAL = 5.0
"""Time-out after an interruption, when the user waits. A *guess*."""


@dataclass(frozen=True)
class Tracking:
    """Options of tracking.

    Attributes:
        loggers: names of the trackers; a resumed run also continues in its previous ones.
        group: name shared by the runs of a comparison.
        name: name of the run; by default that of its folder.
    """

    loggers: tuple[str, ...] = ()
    group: str | None = None
    name: str | None = None


def make_tracker(name: str) -> Tracker:
    """Instantiate a tracker, which imports its library.

    Raises:
        UsageError: the library is not installed, or cannot be used.
    """
    try:
        return TRACKERS[name]()
    except ImportError as error:
        raise UsageError(
            f"--logger {name}: {one_line(error)}; pip install 'cmapss_rul[{name}]'"
        ) from error


def describe(run: RunFolder, config: RunConfig, tracking: Tracking) -> TrackedRun:
    """Describe a run for its trackers."""
    flat = flatten(config.without_paths())
    return TrackedRun(
        folder=run.path,
        name=tracking.name or run.path.resolve().name,
        parameters={
            # lists and null as JSON: all trackers support strings and numbers
            key: value if isinstance(value, str | int | float | bool) else json.dumps(value)
            for key, value in flat.items()
        },
        tags={
            "subset": config.data.fleet_name,
            "balancer": config.balancer.name,
            "seed": str(config.seed),
            "cmapss_rul": __version__,
        },
        group=tracking.group,
    )


@dataclass(frozen=True)
class TrackerState:
    """State of a run in a tracker: see the fields of `TrackedRun`."""

    name: str
    group: str | None
    id: str | None
    epochs: int


class TrackerStates:
    """The file `trackers.json` of a run, shared by the threads of its trackers."""

    def __init__(self, run: RunFolder) -> None:
        self._path = run.trackers
        self._lock = threading.Lock()
        self._states: dict[str, TrackerState] = {}
        # if it is missing or damaged, a new run is started in each tracker
        with suppress(OSError, ValueError, AttributeError, TypeError):
            found = json.loads(self._path.read_bytes())
            self._states = {name: TrackerState(**found[name]) for name in found if name in TRACKERS}

    @property
    def names(self) -> list[str]:
        """Names of the run's trackers."""
        return list(self._states)

    def restore(self, name: str, run: TrackedRun) -> TrackedRun:
        """Return the run with its stored state in a tracker; a given group has precedence."""
        if name not in self._states:
            return run
        known = asdict(self._states[name])
        return replace(run, **known | ({} if run.group is None else {"group": run.group}))

    def put(self, name: str, run: TrackedRun) -> None:
        """Save the state of the run in a tracker."""
        with self._lock:
            self._states[name] = TrackerState(run.name, run.group, run.id, run.epochs)
            plain = {name: asdict(state) for name, state in self._states.items()}
            write_atomic(self._path, json_text(plain) + "\n")


class TrackerReporter(Reporter):
    """Passes the events of a run to one tracker.

    Args:
        name: name of the tracker.
        tracker: the tracker.
        run: description of the run; id and logged epochs are taken from the states.
        states: states of the run in its trackers.
        warn: receives a line if the tracker fails.
    """

    def __init__(
        self,
        name: str,
        tracker: Tracker,
        run: TrackedRun,
        states: TrackerStates,
        warn: Callable[[str], None],
    ) -> None:
        self.name, self._tracker, self._states, self._warn = name, tracker, states, warn
        self._run = states.restore(name, run)
        self._metrics = RunFolder(run.folder).metrics
        self._opened = False
        self._failure: BaseException | None = None
        self._reported = False
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    # ---- events ------------------------------------------------------------------------------

    def epoch_start(self, epoch: int, epochs: int, windows: int, done: int) -> None:
        """Open the tracked run, now that training has passed all checks."""
        del epoch, epochs, windows, done
        self._ensure_open()

    def epoch_end(self, row: Row, best: bool) -> None:
        """Log the epoch, and earlier ones that the tracker lacks."""
        del row, best
        self._log_rows()
        self._report()

    def finish(self, files: Sequence[Path]) -> None:
        """Log what the tracker lacks of a finished run, and end the tracked run."""
        if self._opened or self._lacks_rows():
            self._log_rows()
            self.attach(files, {})
            self.close()

    def _lacks_rows(self) -> bool:
        with suppress(RulError):  # a damaged metrics.csv must not fail a finished run
            return self._run.epochs < len(read_metrics(self._metrics))
        return False

    def attach(self, files: Sequence[Path], summary: Mapping[str, float]) -> None:
        """Upload files and log single values."""
        self._ensure_open()
        self._dispatch(
            lambda: self._tracker.attach([file for file in files if file.exists()], summary)
        )

    def close(self, *, failed: bool = False) -> None:
        """End the tracked run, and wait for its tracker up to a time-out."""
        if not self._opened:
            return
        self._dispatch(lambda: self._tracker.close(failed=failed))
        if self._thread is not None:
            self._calls.put(None)
            seconds = SECONDS_AFTER_SIGNAL if failed else SECONDS
            self._thread.join(seconds)
            if self._thread.is_alive():
                self._failure = TimeoutError(f"no answer within {seconds:g} s")
        self._report()

    def _ensure_open(self) -> None:
        if not self._opened:
            self._opened = True
            self._dispatch(self._open)

    def _log_rows(self) -> None:
        self._ensure_open()
        self._dispatch(self._log)

    # ---- calls of the tracker, in its thread -------------------------------------------------

    def _open(self) -> None:
        identity, epochs = self._tracker.open(self._run)
        self._run = replace(self._run, id=identity, epochs=epochs)
        self._states.put(self.name, self._run)

    def _log(self) -> None:
        # from metrics.csv, which also has the epochs before a resumption
        rows = read_metrics(self._metrics)
        new = rows[self._run.epochs :]
        if new:
            self._tracker.log(new)
            self._run = replace(self._run, epochs=len(rows))
            self._states.put(self.name, self._run)

    def _dispatch(self, call: Callable[[], None]) -> None:
        """Call a local tracker directly, or a remote one in its thread."""
        if self._tracker.local:
            self._attempt(call)
            return
        if self._thread is None:
            # a daemon, so that a hanging tracker does not keep the process alive
            self._thread = threading.Thread(
                target=self._work, name=f"tracker {self.name}", daemon=True
            )
            self._thread.start()
        self._calls.put(call)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            self._attempt(call)

    def _attempt(self, call: Callable[[], None]) -> None:
        if self._failure is not None:
            return
        try:
            call()
        # SystemExit, too: nothing that a library raises may stop the training
        except (Exception, SystemExit) as error:
            self._failure = error

    def _report(self) -> None:
        if self._failure is not None and not self._reported:
            self._reported = True
            text = one_line(self._failure)[:200] or type(self._failure).__name__
            self._warn(
                f"--logger {self.name}: {text}; training continues without it, and "
                f"{printable(self._run.folder)} has all results"
            )


@contextmanager
def track_run(
    run: RunFolder, config: RunConfig, tracking: Tracking, warn: Callable[[str], None]
) -> Iterator[list[TrackerReporter]]:
    """Yield the reporters of a run's trackers, and end the tracked runs afterwards.

    Nothing is written or sent before the first epoch, since the run may be refused until then.

    Raises:
        UsageError: the library of a tracker is not installed, or cannot be used.
    """
    states, described = TrackerStates(run), describe(run, config, tracking)
    reporters = []
    for name in dict.fromkeys([*tracking.loggers, *states.names]):
        try:
            tracker = make_tracker(name)
        except UsageError as error:
            if name in tracking.loggers:
                raise
            warn(f"{error}; the run was tracked there before")
            continue
        reporters.append(TrackerReporter(name, tracker, described, states, warn))
    try:
        yield reporters
    except BaseException:
        for reporter in reporters:
            reporter.close(failed=True)
        raise
    for reporter in reporters:
        reporter.finish([run.best, run.config, run.metrics])


def attach_results(
    run: RunFolder,
    config: RunConfig,
    files: Sequence[Path],
    summary: Mapping[str, float],
    warn: Callable[[str], None],
) -> None:
    """Log the results of a finished run to its trackers, if any.

    Args:
        run: run folder.
        config: configuration of the run.
        files: files to upload, such as the report.
        summary: single metrics, by name.
        warn: receives a line for each tracker that fails.
    """
    states, described = TrackerStates(run), describe(run, config, Tracking())
    for name in states.names:
        if name == "csv":  # the results already are in the run folder
            continue
        try:
            tracker = make_tracker(name)
        except UsageError as error:
            warn(str(error))
            continue
        reporter = TrackerReporter(name, tracker, described, states, warn)
        reporter.attach(files, summary)
        reporter.close()
