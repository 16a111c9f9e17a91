"""Make a comparison: train what is missing, then look at the test files once, for all."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cmapss_rul.display.text import json_text
from cmapss_rul.experiments import engine, ledger
from cmapss_rul.experiments.comparison import Comparison, compared
from cmapss_rul.experiments.engine import Engine
from cmapss_rul.experiments.evaluation_index import Looked
from cmapss_rul.experiments.grid import Grid, GridRun
from cmapss_rul.experiments.identity import differences
from cmapss_rul.experiments.plots import draw
from cmapss_rul.experiments.results import commit, read_result
from cmapss_rul.experiments.runs import Damaged, EvaluateJob, TrainJob, is_finished, remove
from cmapss_rul.system.errors import RulError, UsageError
from cmapss_rul.system.files import remove_partial_files, write_atomic
from cmapss_rul.system.locks import entries_in, lock_folder
from cmapss_rul.system.text import one_line, printable
from cmapss_rul.training.device import pick_device

ROOT = Path("comparisons")
ENGINES = ("local", "ray")
_IDENTITY = "grid.json"


class Listener(engine.Listener, Protocol):
    """Whom a comparison tells what it does."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def phase(self, what: str, jobs: int, done: int) -> None:
        """So many jobs begin, of which some were done before."""


class Silent:
    """A listener that says nothing."""

    def started(self, name: str) -> None:
        """Say nothing."""

    def told(self, name: str, what: Any) -> None:
        """Say nothing."""

    def ended(self, name: str, error: str | None) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def phase(self, what: str, jobs: int, done: int) -> None:
        """Say nothing."""


class RunsFailed(RulError):
    """Some runs of a grid failed; the others are kept, and the next call tries these again."""

    def __init__(self, errors: dict[str, str], runs: int) -> None:
        told = "; ".join(f"{printable(name)}: {error}" for name, error in errors.items())
        super().__init__(
            f"{len(errors)} of {runs} runs failed, and the same command tries them again: {told}"
        )


@dataclass(frozen=True)
class Options:
    """How a comparison is made; nothing of it changes a figure.

    Attributes:
        processes: at a time; the cores by default. The CPUs of a Ray of this machine.
        device: auto, cpu or cuda.
        allow_failed: look at the test files without the runs that failed.
        ledger: JSON that takes the cells.
        engine: local or ray.
        address: of a Ray cluster; a Ray of this machine by default.
        gpus: that Ray gives to each run, 0.25 say; by default 1 for `cuda`, else none.
    """

    processes: int | None = None
    device: str = "auto"
    allow_failed: bool = False
    ledger: Path | None = None
    engine: str = "local"
    address: str | None = None
    gpus: float | None = None

    def start(self) -> AbstractContextManager[Engine]:
        """Make the engine ready.

        Raises:
            UsageError: there is no such engine or device, or options contradict each other.
        """
        if self.engine not in ENGINES:
            raise UsageError(
                f"--engine: there is no engine '{printable(self.engine)}'; expected one of "
                f"{', '.join(ENGINES)}"
            )
        if self.engine == "local":
            if self.address is not None or self.gpus is not None:
                option = "--gpus" if self.address is None else "--address"
                raise UsageError(f"{option} is for --engine ray; add that, or leave it out")
            pick_device(self.device)
            return nullcontext(engine.Local(self.processes))
        if self.device != "cuda":  # which only the workers need to have
            pick_device(self.device)
        if self.processes is not None and self.address is not None:
            raise UsageError("--jobs: the cluster at --address has its own; leave one out")
        from cmapss_rul.experiments.on_ray import OnRay  # an extra

        return OnRay(self.address, self.processes, self.gpus_of_a_run)

    @property
    def gpus_of_a_run(self) -> float:
        """GPUs that Ray gives to a run."""
        return float(self.device == "cuda") if self.gpus is None else self.gpus

    @property
    def device_of_a_run(self) -> str:
        """Device that a run asks for; a task of Ray may see GPUs that it was not given."""
        given = self.engine == "local" or self.device != "auto" or self.gpus_of_a_run
        return self.device if given else "cpu"


def compare(
    grid: Grid,
    folder: Path | str | None = None,
    options: Options | None = None,
    listener: Listener | None = None,
) -> Comparison:
    """Train every run of a grid, evaluate all, compare.

    Killed at any moment and called again it goes on where it stopped. The test files are
    opened when every run has ended well, and then for all in one step; only the oracle looks
    before. Processes are started by `spawn`: a script that calls this needs the usual
    `if __name__ == "__main__":`.

    Args:
        grid: what is compared.
        folder: of the comparison; `comparisons/<digest of the grid>` by default.
        options: how it is made.
        listener: told what happens; nobody by default.

    Returns:
        The comparison, which also stands in the folder, with figures. Failed runs are in its
        `missing`, where `options.allow_failed`.

    Raises:
        UsageError: the folder holds something else; the ledger is none.
        RunsFailed: runs failed, and the test files were not looked at.
        RulError: another process works in the folder; the test files are not to be had.
        Interrupted: a signal came; all is saved.
    """
    options, listener = options or Options(), listener or Silent()
    folder = ROOT / grid.digest if folder is None else Path(folder)
    engine_of_all = options.start()
    if options.ledger is not None:
        ledger.read(options.ledger, to_write=True)
    _refuse_foreign(folder)
    with lock_folder(folder), engine_of_all as where:
        _claim(folder, grid)
        errors = _train(grid, folder, options, where, listener)
        if errors and not (options.allow_failed and len(errors) < len(grid.runs)):
            raise RunsFailed(errors, len(grid.runs))
        well = [run for run in grid.runs if run.name not in errors]
        _look(well, folder, options, where, listener)
        results = [read_result(run, folder_of(run, folder)) for run in well]
        comparison = compared(grid, results, errors, folder)
        write_atomic(folder / "comparison.csv", comparison.as_csv())
        draw(comparison, folder)
        write_atomic(folder / "comparison.json", comparison.as_json())
    if options.ledger is not None:
        ledger.merge(options.ledger, comparison)
    return comparison


def folder_of(run: GridRun, folder: Path) -> Path:
    """Where a run of the grid in `folder` stands."""
    return folder / "runs" / run.name


# ---- the folder ----------------------------------------------------------------------------


def _refuse_foreign(folder: Path) -> None:
    """Take no folder that holds something else than a grid."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--output {printable(folder)}: is no folder; name another")
    names = entries_in(folder)
    if names and _IDENTITY not in names:
        raise UsageError(
            f"--output {printable(folder)}: holds {printable(min(names))} and no grid; name "
            "another folder"
        )


def _claim(folder: Path, grid: Grid) -> None:
    """Note whose folder it is, or refuse another grid's."""
    remove_partial_files(folder)
    path, now = folder / _IDENTITY, grid.identity()
    if not path.exists():
        write_atomic(path, json_text(now, indent=1) + "\n")
        return
    try:
        former = json.loads(path.read_bytes())
        changed = differences(former, json.loads(json.dumps(now)))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UsageError(
            f"{printable(path)}: cannot be read ({one_line(error)[:200]}); name another folder "
            "with --output"
        ) from error
    if changed:
        raise UsageError(
            f"--output {printable(folder)}: holds another grid: {'; '.join(changed[:20])}; name "
            "another folder, or leave --output out"
        )


# ---- train ---------------------------------------------------------------------------------


def _train(
    grid: Grid, folder: Path, options: Options, where: Engine, listener: Listener
) -> dict[str, str]:
    """Train what is not finished; the errors of the runs that failed."""
    code, device = commit(), options.device_of_a_run
    jobs = [
        TrainJob(run.name, run.config, folder_of(run, folder), device, grid.oracle, code)
        for run in grid.runs
        if not _is_finished(run, folder, listener)
    ]
    listener.phase("training", len(jobs), len(grid.runs) - len(jobs))
    errors = _without_data(jobs)
    for name, error in errors.items():
        listener.ended(name, error)
    able = [job for job in jobs if job.name not in errors]
    errors |= where.run(able, listener)
    return {run.name: errors[run.name] for run in grid.runs if run.name in errors}


def _is_finished(run: GridRun, folder: Path, listener: Listener) -> bool:
    place = folder_of(run, folder)
    try:
        return is_finished(run.config, place, oracle=run.oracle)
    except Damaged as error:
        listener.note(f"{run.name} is damaged and done again: {error}")
        remove(place)
        return False


def _without_data(jobs: Sequence[TrainJob | EvaluateJob]) -> dict[str, str]:
    """Get the files once, before many processes ask for them; errors of the runs without."""
    once: dict[tuple[object, ...], str | None] = {}
    found = {}
    for job in jobs:
        data = job.config.data
        key = (data.source, data.dir, data.subset, data.auxiliary, *data.own_files.items())
        if key not in once:
            once[key] = _error_of(job.sources)
        found[job.name] = once[key]
    return {name: error for name, error in found.items() if error is not None}


def _error_of(call: Callable[[], object]) -> str | None:
    try:
        call()
    except (RulError, OSError) as error:
        return one_line(error)
    return None


# ---- look ----------------------------------------------------------------------------------


def _look(
    runs: Sequence[GridRun],
    folder: Path,
    options: Options,
    where: Engine,
    listener: Listener,
) -> None:
    """Evaluate all runs in one step; those looked at before, and unchanged, are not again."""
    looked = Looked(folder / "looked.json")
    jobs = [
        EvaluateJob(run.name, run.config, folder_of(run, folder), options.device_of_a_run)
        for run in runs
        if not looked.holds(run.name, folder_of(run, folder))
    ]
    listener.phase("evaluating", len(jobs), len(runs) - len(jobs))
    if not jobs:
        return
    errors = _without_data(jobs)
    noting = _Noting(listener)
    try:
        errors = errors or where.run(jobs, noting)
    finally:  # after an interruption too, so that none is done twice
        looked.note({job.name: job.folder for job in jobs if job.name in noting.done})
    if errors:
        name, error = next(iter(errors.items()))
        raise RulError(
            f"{len(errors)} of {len(jobs)} evaluations failed, the runs are kept and the same "
            f"command goes on: {printable(name)}: {error}"
        )


class _Noting:
    """A listener that passes everything on and keeps the names of the jobs that ended well."""

    def __init__(self, inner: Listener) -> None:
        self.started, self.told = inner.started, inner.told
        self.done: set[str] = set()
        self._inner = inner

    def ended(self, name: str, error: str | None) -> None:
        """Keep the name."""
        if error is None:
            self.done.add(name)
        self._inner.ended(name, error)
