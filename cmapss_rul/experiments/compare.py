"""Execution of a comparison: train the runs of a grid, evaluate them on the test set, compare.

Every result is saved as soon as it is available, so that a killed comparison resumes.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from cmapss_rul.display.text import json_text
from cmapss_rul.experiments.baseline import (
    EvaluateBaselineJob,
    FitBaselineJob,
    evaluation_job,
    read_history,
    training_job,
)
from cmapss_rul.experiments.comparison import as_csv, compare_results
from cmapss_rul.experiments.executors import Executor, Options
from cmapss_rul.experiments.grid import Grid, GridRun
from cmapss_rul.experiments.identity import EvaluationIndex, differences
from cmapss_rul.experiments.jobs import EvaluateJob, TrainJob
from cmapss_rul.experiments.ledger import merge_comparison, read_ledger
from cmapss_rul.experiments.listing import IDENTITY, RESULT, ROOT
from cmapss_rul.experiments.plots import draw
from cmapss_rul.experiments.results import Comparison
from cmapss_rul.experiments.runs import DamagedRun, History, commit, read_result, remove, run_folder
from cmapss_rul.experiments.validation import RESULT as VALIDATION_RESULT
from cmapss_rul.experiments.validation import ValidationComparison, compare_by_validation
from cmapss_rul.system.errors import RulError, UsageError, one_line
from cmapss_rul.system.files import remove_partial_files, write_atomic
from cmapss_rul.system.locks import entries_in, lock_folder
from cmapss_rul.system.workers import JobEvent
from cmapss_rul.training.trackers.tracker_reporter import Tracking


@dataclass(frozen=True)
class PhaseEvent:
    """Start of training or evaluation, with `jobs` jobs to run and `done` already finished."""

    phase: str
    jobs: int
    done: int


@dataclass(frozen=True)
class NoteEvent:
    """A message for the user."""

    text: str


_Job = TrainJob | EvaluateJob | FitBaselineJob | EvaluateBaselineJob
Event = JobEvent | PhaseEvent | NoteEvent
OnEvent = Callable[[Event], None]


class RunsFailed(RulError):
    """Raised if runs of a grid failed; the others are saved, and the next call retries these."""

    def __init__(self, errors: Mapping[str, str], runs: int) -> None:
        listed = "; ".join(f"{name}: {error}" for name, error in errors.items())
        super().__init__(
            f"{len(errors)} of {runs} runs failed; the same command retries them: {listed}"
        )


def default_folder(grid: Grid) -> Path:
    """Return the default folder of a comparison."""
    return ROOT / grid.digest


def compare(
    grid: Grid,
    folder: PathLike[str] | str | None = None,
    options: Options | None = None,
    report: OnEvent = lambda _: None,
) -> Comparison:
    """Train all runs of a grid, evaluate them on the test set, and compare them.

    If killed, it resumes when called again. Test files are opened only once all runs have
    succeeded, and then for all of them; only the oracle reads them earlier. Processes are started
    by `spawn`: a script that calls this needs the usual `if __name__ == "__main__":`.

    Args:
        grid: the grid.
        folder: folder of the comparison; by default `default_folder(grid)`.
        options: options of the execution.
        report: called with each event.

    Returns:
        The comparison, which is also saved in the folder, with plots. Its `missing` lists failed
        runs, with `options.allow_failed`.

    Raises:
        UsageError: the folder or the ledger has other content.
        RunsFailed: runs failed, and nothing was evaluated on the test set.
        RulError: another process works in the folder; the test files are not available.
        Interrupted: a signal was received; all results are saved.

    >>> import cmapss_rul
    >>> short = ["train.epochs=1", "train.window_share=0.02"]
    >>> grid = cmapss_rul.make_grid(["demo"], balancers=["fixed", "amnl"], seeds=[0], sets=short)
    >>> comparison = cmapss_rul.compare(grid, "comparisons/short")
    >>> [cell.balancer for cell in comparison.cells]
    ['fixed', 'amnl']
    """
    options = options or Options()
    folder = default_folder(grid) if folder is None else Path(folder)
    with _open_grid(grid, folder, options) as workers:
        histories, errors = _train(grid, folder, options, workers, report)
        runs = [run for run in grid.runs if run.name in histories]
        _evaluate(runs, histories, folder, options, workers, report)
        results = [read_result(run, histories[run.name], run_folder(run, folder)) for run in runs]
        comparison = compare_results(grid, results, errors, rank_all=options.rank_all)
        write_atomic(folder / "comparison.csv", as_csv(grid, comparison))
        # a baseline has no epochs to draw
        curves = {run.name: histories[run.name].curve for run in runs if not run.cell.baseline}
        draw(comparison, curves, folder)
        # written last: its presence means the others are complete
        write_atomic(folder / RESULT, comparison.as_json())
    if options.ledger is not None:
        merge_comparison(options.ledger, comparison)
    return comparison


def compare_validation(
    grid: Grid,
    folder: PathLike[str] | str | None = None,
    options: Options | None = None,
    report: OnEvent = lambda _: None,
) -> ValidationComparison:
    """Train all runs of a grid, and compare them by validation metrics, without test files.

    Arguments as for `compare`, which may be called later to evaluate the runs on the test set.

    Raises:
        UsageError: the grid records the test RMSE of each epoch; the folder has other content.
        RunsFailed: runs failed.
        RulError: another process works in the folder; a training file is not available.
        Interrupted: a signal was received; all results are saved.
    """
    options = options or Options()
    if grid.oracle or options.ledger is not None:
        option = "--oracle" if grid.oracle else "--ledger"
        raise UsageError(f"{option} needs the test files; leave it or --validation-only out")
    folder = default_folder(grid) if folder is None else Path(folder)
    with _open_grid(grid, folder, options) as workers:
        histories, errors = _train(grid, folder, options, workers, report)
        comparison = compare_by_validation(grid, histories, errors)
        write_atomic(folder / VALIDATION_RESULT, comparison.as_json())
    return comparison


# ---- the folder ----------------------------------------------------------------------------


@contextmanager
def _open_grid(grid: Grid, folder: Path, options: Options) -> Iterator[Executor]:
    """Lock the folder of a grid, and yield the executor of its jobs."""
    executor = options.start_executor()
    if options.ledger is not None:
        read_ledger(options.ledger, to_write=True)  # fail on a damaged ledger before hours of work
    _refuse_other_content(folder)  # before the lock, which writes a file
    with lock_folder(folder), executor as workers:
        _claim_folder(folder, grid)
        yield workers


def _refuse_other_content(folder: Path) -> None:
    """Refuse a folder with other content than a grid."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--output {folder}: is not a folder; name another")
    names = entries_in(folder)
    if names and IDENTITY not in names:
        raise UsageError(
            f"--output {folder}: contains {min(names)} but is not a comparison; name another folder"
        )


def _claim_folder(folder: Path, grid: Grid) -> None:
    """Write the grid's identity to its folder; refuse the folder of another grid."""
    remove_partial_files(folder)
    path, identity = folder / IDENTITY, grid.identity()
    if not path.exists():
        write_atomic(path, json_text(identity, indent=1) + "\n")
        return
    try:
        # via JSON, like the saved identity, which converts tuples to lists
        changed = differences(json.loads(path.read_bytes()), json.loads(json.dumps(identity)))
    except (OSError, ValueError, AttributeError, TypeError) as error:  # or JSON of another shape
        raise UsageError(
            f"{path}: cannot be read ({one_line(error)[:200]}); name another folder with --output"
        ) from error
    if changed:
        raise UsageError(
            f"--output {folder}: contains another grid: {'; '.join(changed[:20])}; name another "
            "folder, or leave --output out"
        )


# ---- training ------------------------------------------------------------------------------


def _train(
    grid: Grid, folder: Path, options: Options, workers: Executor, report: OnEvent
) -> tuple[dict[str, History], dict[str, str]]:
    """Train the unfinished runs; return histories and errors by name.

    Raises:
        RunsFailed: runs failed, and the options do not allow it or no run succeeded.
    """
    histories = _finished_histories(grid.runs, folder, report)
    # the commit at the start, since the code may be edited while runs train
    code, device = commit(), options.device_per_run
    tracking = Tracking(options.loggers, group=folder.resolve().name)
    jobs = [
        training_job(run, run_folder(run, folder), device, code, tracking)
        for run in grid.runs
        if run.name not in histories
    ]
    report(PhaseEvent("training", len(jobs), len(histories)))
    failed = _fetch_data(jobs)
    for name, error in failed.items():
        report(JobEvent(name, "ended", error=error))
    failed |= workers.run([job for job in jobs if job.name not in failed], report)
    errors = {run.name: failed[run.name] for run in grid.runs if run.name in failed}
    for run in grid.runs:
        if run.name not in histories and run.name not in errors:
            history = read_history(run, run_folder(run, folder))
            assert history is not None, f"{run.name} ended without an error and unfinished"
            histories[run.name] = history
    if errors and not (options.allow_failed and histories):
        raise RunsFailed(errors, len(grid.runs))
    return histories, errors


def _finished_histories(
    runs: Sequence[GridRun], folder: Path, report: OnEvent
) -> dict[str, History]:
    """Return the histories of finished runs by name; remove damaged runs, to be trained again."""
    histories: dict[str, History] = {}
    for run in runs:
        try:
            history = read_history(run, run_folder(run, folder))
        except DamagedRun as damage:
            report(NoteEvent(f"{run.name} is damaged and trained again: {damage}"))
            remove(run_folder(run, folder))
            continue
        if history is not None:
            histories[run.name] = history
    return histories


def _fetch_data(jobs: Sequence[_Job]) -> dict[str, str]:
    """Fetch each data file once, before processes need it concurrently; return errors by job."""
    fetched: dict[tuple[object, ...], str | None] = {}
    keys = {}
    for job in jobs:
        data = job.config.data
        key = (
            type(job),
            data.source,
            data.dir,
            data.subset,
            data.auxiliary,
            *data.own_files.items(),
        )
        keys[job.name] = key
        if key not in fetched:
            fetched[key] = None
            try:
                job.sources()
            except (RulError, OSError) as failure:
                fetched[key] = one_line(failure)
    return {name: error for name, key in keys.items() if (error := fetched[key]) is not None}


# ---- test-set evaluation -------------------------------------------------------------------


def _evaluate(
    runs: Sequence[GridRun],
    histories: Mapping[str, History],
    folder: Path,
    options: Options,
    workers: Executor,
    report: OnEvent,
) -> None:
    """Evaluate all runs on the test set, except those already evaluated and unchanged."""
    index = EvaluationIndex(folder)
    jobs = [
        evaluation_job(run, run_folder(run, folder), options.device_per_run)
        for run in runs
        if not index.has(run.name, run_folder(run, folder), histories[run.name].best_sha256)
    ]
    report(PhaseEvent("evaluating", len(jobs), len(runs) - len(jobs)))
    if not jobs:
        return
    errors = _fetch_data(jobs)
    evaluated: set[str] = set()

    def record_and_report(event: JobEvent) -> None:
        if event.kind == "ended" and event.error is None:
            evaluated.add(event.job)
        report(event)

    try:
        # if a test file is missing, none is opened: all runs are evaluated, or none
        errors = errors or workers.run(jobs, record_and_report)
    finally:  # also after an interruption, so that no evaluation is repeated
        index.add(
            {
                job.name: (job.folder, histories[job.name].best_sha256)
                for job in jobs
                if job.name in evaluated
            }
        )
    if errors:
        name, error = next(iter(errors.items()))
        raise RulError(
            f"{len(errors)} of {len(jobs)} evaluations failed; the trained runs are saved, and the "
            f"same command resumes: {name}: {error}"
        )
