"""Set a run up, or take it up again, and train it."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from cmapss_rul.config.yaml import to_yaml
from cmapss_rul.data.split import LEAK
from cmapss_rul.display.text import printable
from cmapss_rul.system.errors import CheckpointError, UsageError
from cmapss_rul.system.files import link_or_copy, remove_partial_files, write_atomic
from cmapss_rul.system.locks import entries_in, lock_folder
from cmapss_rul.system.signals import StopSignals
from cmapss_rul.training import checkpoint
from cmapss_rul.training.checkpoint_schema import check_parts
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.inputs import Material, TrainFiles
from cmapss_rul.training.loggers import LogFile, Reporter, Reporters, write_metrics
from cmapss_rul.training.loop import Loop
from cmapss_rul.training.optimisation import Trainer
from cmapss_rul.training.ranks import Ranks
from cmapss_rul.training.resume import check_same_run, host_warnings
from cmapss_rul.training.runs import RunFolder, finished, make_whole, newest


def train(
    config: RunConfig,
    folder: Path | str,
    *,
    resume: bool = False,
    device: str = "auto",
    reporters: Sequence[Reporter] = (),
    ranks: Ranks | None = None,
) -> RunFolder:
    """Train a configuration in a folder of its own; only train files are opened.

    Args:
        config: of the run.
        folder: of the run; must not exist, unless `resume`.
        resume: go on from the folder's `last.pt`, exactly as if the run had never stopped;
            where the folder holds none yet, start in it.
        device: auto, cpu or cuda.
        reporters: receive the events of the run, in this order.
        ranks: processes that train this run together, of which rank 0 writes and reports; by
            default this one alone.

    Returns:
        The run's folder, with `best.pt`, `last.pt`, `metrics.csv`, `config.yaml`, `train.log`.

    Raises:
        UsageError: the folder exists, or is not a run's; another configuration or other data
            than the run's.
        DataError: a train file is not to be had, or is not as it should be.
        CheckpointError: the folder's `last.pt` cannot be used.
        RulError: the loss was not finite, with the last good checkpoint kept; another process
            trains in the folder.
        Interrupted: a signal came; all is saved.
    """
    run = RunFolder(Path(folder))
    ranks, reporter = ranks or Ranks(), Reporters(reporters)
    with ExitStack() as held:
        if resume and ranks.first:
            held.enter_context(lock_folder(run.path))
        content, damage = ranks.of_first(lambda: _content(run, resume))
        if not ranks.of_first(lambda: _goes_on(config, content, run, reporter)):
            return run
        where = ranks.device(device)
        files = TrainFiles.of(config)
        if content is not None:
            check_same_run(config, files.sources, content, run.last)
        stop = held.enter_context(StopSignals())
        held.enter_context(_seeded(config, where))
        material = Material.of(config, files)
        data = material.data
        network = checkpoint.build_network(config, data.preprocessor)
        loop = Loop(
            config=config,
            run=run,
            trainer=Trainer(config, network, where, ranks),
            training=data.training.to(where),
            auxiliary=data.auxiliary,
            validation=data.validation.to(where),
            calibration=data.calibration.to(where),
            facts=_facts(config, run, material, where, ranks.size),
            reporter=Reporters([LogFile(run.log), *reporters] if ranks.first else []),
            preprocessor=data.preprocessor,
            stop=stop,
        )
        if not resume and ranks.first:
            run.path.mkdir(parents=True)  # another process may have taken the name meanwhile
            held.enter_context(lock_folder(run.path))
        _open(loop, content, damage)
        if late := material.late:
            loop.reporter.note(f"{late} records start later than at cycle 1 and keep their count")
        loop.fit()
    best = loop.state
    loop.reporter.note(f"best epoch {best.best_epoch}: validation RMSE {best.best_rmse:.3f} cycles")
    return run


def _content(run: RunFolder, resume: bool) -> tuple[dict[str, Any] | None, str]:
    """Content of the checkpoint to go on from, None for a start; and how `last.pt` is damaged."""
    if not resume:
        if run.path.exists():
            raise UsageError(
                f"{run} exists already and is left alone; go on with it by --resume auto, "
                "or name another folder with --output"
            )
        return None, ""
    if not run.saved:
        _refuse_foreign(run)
        return None, ""
    content, damage = newest(run)
    with checkpoint.whole_parts(run.last):
        check_parts(content)
    return content, damage


def _refuse_foreign(run: RunFolder) -> None:
    """Start in an existing folder only where a run left it before its first last.pt."""
    others = entries_in(run.path) - {run.config.name, run.log.name, run.best.name}
    if others:
        raise UsageError(
            f"{run} holds no last.pt to go on from, but holds {printable(min(others))}, so nothing "
            "is started in it; name another folder with --output"
        )


def _goes_on(
    config: RunConfig, content: dict[str, Any] | None, run: RunFolder, reporter: Reporter
) -> bool:
    """Whether there is something left to train; says so where there is not, or is more.

    A finished run's files are made whole.
    """
    if content is None:
        return True
    with checkpoint.whole_parts(run.last):
        check_same_run(config, [], content, run.last)
        if not finished(content):
            return True
    epochs = content["config"]["train"]["epochs"]
    if config.train.epochs <= epochs:
        reporter.note(f"{run} is finished after {content['loop']['epoch']} epochs: nothing to do")
        make_whole(run, content)
        return False
    reporter.note(f"{run} was finished at {epochs} epochs and goes on to {config.train.epochs}")
    if config.train.schedule.build().depends_on_length:
        reporter.note(
            f"the schedule '{config.train.schedule.name}' depends on the number of epochs: "
            "this is not the same as a longer run from the start"
        )
    return True


@contextmanager
def _seeded(config: RunConfig, device: torch.device) -> Iterator[None]:
    """Seed the global generators and set the threads; put both back at the end."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(config.seed)
        torch.set_num_threads(config.train.thread_count())
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def _facts(
    config: RunConfig, run: RunFolder, material: Material, device: torch.device, ranks: int
) -> dict[str, Any]:
    data = material.data
    return {
        "format_version": checkpoint.FORMAT_VERSION,
        "versions": checkpoint.versions(),
        "config": config.without_host_facts(),
        "data": material.facts,
        "preprocessor": data.preprocessor.state_dict(),
        "split": {
            "training": data.split.training.tolist(),
            "validation": data.split.validation.tolist(),
            "calibration": data.split.calibration.tolist(),
            "test": material.test.tolist(),
        },
        "host": {
            "folder": str(run.path),
            "data_dir": config.data.dir,
            "files": config.data.own_files,
            "device": device.type,
            "threads": config.train.thread_count(),
            "ranks": ranks,
        },
    }


def _open(loop: Loop, content: dict[str, Any] | None, damage: str) -> None:
    """Make the folder ready: its configuration, what was trained so far, a line in the log."""
    run, ranks = loop.run, loop.trainer.ranks
    if content is not None:
        loop.load(content)
        if loop.done():  # stopped early, and more epochs were asked for: patience counts anew
            loop.state.stale = 0
    if not ranks.first:
        return
    remove_partial_files(run.path)
    write_atomic(run.config, to_yaml(loop.config))
    if content is not None:
        _take_up(loop, content, damage)
    if loop.config.split.by == "windows":
        loop.reporter.note(f"split.by windows is {LEAK}, so validation figures are too good")
    own = loop.facts["data"]
    files = [own, *own["auxiliary"]]
    if loop.config.data.own:
        loop.reporter.note(_about_own(loop))
    elif any(file["simulated"] for file in files):
        loop.reporter.note("the data are simulated: no figure from them is one of C-MAPSS")
    for file in () if loop.config.data.own else files:
        if not file["simulated"] and not file["official"]:
            loop.reporter.note(f"{printable(file['name'])} is not the official file")
    if ranks.names:
        loop.reporter.note(ranks.names)
    _note_size(loop)


def _about_own(loop: Loop) -> str:
    """What is assumed of a user's records, for it cannot be known; and what was set aside."""
    text = f"each record of {printable(loop.facts['data']['name'])} is taken to end at the failure"
    if test := len(loop.facts["split"]["test"]):
        text += f"; {test} of its engines are set aside, unseen, for rul evaluate"
    return text


def _take_up(loop: Loop, content: dict[str, Any], damage: str) -> None:
    """Bring the files of a run to the state from which it goes on."""
    run = loop.run
    write_metrics(run.metrics, loop.rows())
    if damage:  # after metrics.csv, which never shows an epoch that last.pt does not know
        loop.reporter.note(damage)
        link_or_copy(run.previous, run.last)
    _mend_best(loop)
    for warning in host_warnings(content, loop.facts):
        loop.reporter.note(warning)
    loop.reporter.note(f"going on after epoch {loop.state.epoch}, batch {loop.state.batch}")


def _mend_best(loop: Loop) -> None:
    """Write a damaged best.pt anew where the state at hand is the best one.

    Raises:
        CheckpointError: another state was.
    """
    state, path = loop.state, loop.run.best
    if not state.best_epoch:
        return
    try:
        checkpoint.read(path)
    except CheckpointError as error:
        if state.best_epoch != state.epoch or state.batch:
            raise CheckpointError(
                f"{error} (going on would not bring back epoch {state.best_epoch})"
            ) from error
        loop.save_best()
        loop.reporter.note(f"{error}; it was written again")


def _note_size(loop: Loop) -> None:
    loop.reporter.detail(
        f"{len(loop.training)} training, {len(loop.validation)} validation and "
        f"{len(loop.calibration)} calibration windows, "
        f"{sum(loop.trainer.network.parameter_counts().values())} parameters, "
        f"{loop.trainer.device}, "
        f"torch {torch.__version__}, {torch.get_num_threads()} threads"
    )
