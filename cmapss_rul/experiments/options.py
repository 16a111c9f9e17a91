"""Options of a comparison that change how its runs are made, not what they compute."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from cmapss_rul.experiments.executors import Executor, LocalExecutor, RayExecutor
from cmapss_rul.system.errors import UsageError
from cmapss_rul.training.ranks import pick_device
from cmapss_rul.training.trackers.following import make_tracker

EXECUTORS = ("local", "ray")


@dataclass(frozen=True)
class Options:
    """How a comparison is run; no metric of a run depends on it.

    Attributes:
        processes: at a time, or CPUs of a local Ray; the cores by default.
        device: see `pick_device`.
        allow_failed: evaluate the test set without the runs that failed.
        ledger: JSON into which the cells are merged.
        engine: local or ray.
        address: of a Ray cluster; by default Ray is started locally.
        gpus: that Ray gives to each run, for example 0.25; by default 1 for `cuda`, else none.
        rank_all: rank cells of one configuration even if they trained on different data.
        loggers: trackers of the runs that train, which are grouped by the comparison's folder.
    """

    processes: int | None = None
    device: str = "auto"
    allow_failed: bool = False
    ledger: Path | None = None
    engine: str = "local"
    address: str | None = None
    gpus: float | None = None
    rank_all: bool = False
    loggers: tuple[str, ...] = ()

    def start_executor(self) -> AbstractContextManager[Executor]:
        """Prepare what runs the jobs.

        Raises:
            UsageError: there is no such executor or device, or options contradict each other.
        """
        if self.engine not in EXECUTORS:
            raise UsageError(
                f"--engine: found '{self.engine}', expected one of {', '.join(EXECUTORS)}"
            )
        for name in self.loggers:
            make_tracker(name)  # a missing library is reported once, not by each run
        if self.engine == "local":
            if self.address is not None or self.gpus is not None:
                option = "--gpus" if self.address is None else "--address"
                raise UsageError(f"{option} is for --engine ray; add that, or leave it out")
            pick_device(self.device)  # a missing GPU is reported once, not by each run
            return nullcontext(LocalExecutor(self.processes))
        if self.device != "cuda":  # only the workers need one, not this machine
            pick_device(self.device)
        if self.processes is not None and self.address is not None:
            raise UsageError("--jobs: the cluster at --address has its own; leave one out")
        return RayExecutor(self.address, self.processes, self.gpus_per_run)

    @property
    def gpus_per_run(self) -> float:
        """GPUs that Ray gives to a run."""
        return float(self.device == "cuda") if self.gpus is None else self.gpus

    @property
    def device_per_run(self) -> str:
        """Device that a run requests; a task of Ray may see GPUs that it was not given."""
        given = self.engine == "local" or self.device != "auto" or self.gpus_per_run
        return self.device if given else "cpu"
