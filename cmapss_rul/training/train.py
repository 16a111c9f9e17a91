"""Entry point of training: set up or resume a run, and train it."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch

from cmapss_rul.config.yaml import to_yaml
from cmapss_rul.data.fleet import list_held
from cmapss_rul.data.leakage import LABEL_LEAK
from cmapss_rul.data.split import LEAK
from cmapss_rul.display.text import counted
from cmapss_rul.system.errors import UsageError
from cmapss_rul.system.files import remove_partial_files, write_atomic
from cmapss_rul.system.locks import lock_folder
from cmapss_rul.system.signals import StopSignals
from cmapss_rul.training.checkpoint import Checkpoint, Clock, Host, RunRecord, Versions
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.device import UNTESTED
from cmapss_rul.training.ensemble import train_ensemble
from cmapss_rul.training.inputs import RunInputs, find_train_files, read_train_files
from cmapss_rul.training.loop import Loop
from cmapss_rul.training.ranks import ProcessGroup
from cmapss_rul.training.reporters import LogFile, Reporter, Reporters
from cmapss_rul.training.resume import (
    check_same_run,
    open_checkpoint,
    report_if_finished,
    resume_files,
)
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.step import TrainingStep
from cmapss_rul.training.trackers.tracker_reporter import Tracking, track_run


def train(
    config: RunConfig,
    folder: RunFolder | Path | str,
    *,
    resume: bool = False,
    device: str = "auto",
    reporters: Sequence[Reporter] = (),
    group: ProcessGroup | None = None,
    tracking: Tracking | None = None,
) -> RunFolder:
    """Train a configuration in a run folder; only training files are opened.

    With `split.folds`, one network per fold is trained, each in a sub-folder; see
    `training.ensemble`.

    Args:
        config: configuration of the run.
        folder: run folder; must not exist, unless `resume`.
        resume: resume from the folder's `last.pt`, bit for bit as if the run had not stopped; if
            there is none, start the run there.
        device: see `pick_device`.
        reporters: receive the events of the run, in this order.
        group: process group that trains this run; by default a single process.
        tracking: trackers to log to; a resumed run also continues in its previous trackers.

    Returns:
        The run folder, with `best.pt`, `last.pt`, `metrics.csv`, `config.yaml`, `train.log`.

    Raises:
        UsageError: the folder exists, or is not a run's; configuration or data differ from those
            of the run to resume; a tracker is not installed.
        DataError: a training file cannot be obtained or is malformed.
        CheckpointError: the checkpoint to resume from is invalid.
        RulError: the loss was not finite (the last good checkpoint is retained); another process
            trains in the folder.
        Interrupted: a signal was received; the state is saved.
    """
    run = folder if isinstance(folder, RunFolder) else RunFolder(Path(folder))
    group = group or ProcessGroup()
    if config.split.is_ensemble:
        if tracking is not None and tracking.loggers:
            raise UsageError(
                "--logger logs a single run, but --folds trains several; leave it out, or train a "
                "single fold with --set split.fold=0"
            )
        return _train_folds(config, run, resume, device, reporters, group)
    with ExitStack() as cleanup:
        if resume and group.first:
            cleanup.enter_context(lock_folder(run.path))
        if group.first:
            warn = Reporters([LogFile(run.log), *reporters]).warning
            trackers = cleanup.enter_context(track_run(run, config, tracking or Tracking(), warn))
            reporters = [*trackers, *reporters]
        checkpoint, damage = group.on_first_rank(open_checkpoint, run, resume)
        if checkpoint is not None and group.on_first_rank(
            report_if_finished, config, checkpoint, run, Reporters(reporters)
        ):
            return run
        torch_device = group.device(device)
        paths = find_train_files(config)
        # from here on, signals are recorded and checked by the loop, and never interrupt a write
        stop = cleanup.enter_context(StopSignals())
        # before the network is built, whose initialisation draws first
        cleanup.enter_context(_seeded(config, torch_device))
        inputs = _read_inputs(config, paths, checkpoint)
        training_step = TrainingStep(config, config.build_network(), torch_device, group)
        loop = Loop(
            config=config,
            run=run,
            training_step=training_step,
            data=inputs.data.to(torch_device),
            record=_record(config, run, inputs, training_step),
            reporter=Reporters([LogFile(run.log), *reporters] if group.first else []),
            stop=stop,
        )
        if checkpoint is not None:
            loop.load(checkpoint)  # before any file is changed, since it may be refused
        if group.first:
            if not resume:
                run.path.mkdir(parents=True)  # fails if another process has created it meanwhile
                cleanup.enter_context(lock_folder(run.path))
            remove_partial_files(run.path)
            write_atomic(run.config, to_yaml(config))
            if checkpoint is not None:
                resume_files(loop, checkpoint, damage)
            _report_start(loop, inputs)
        loop.fit()
    epoch, select = loop.state.best_epoch, config.train.select
    text = f"best epoch {epoch}: validation RMSE {loop.state.history[epoch - 1]['val_rmse']:.3f}"
    also = "" if select == "val_rmse" else f", {select} {loop.state.best_value:.3f}"
    loop.reporter.note(f"{text} {config.data.unit}{also}")
    return run


def _train_folds(
    config: RunConfig,
    run: RunFolder,
    resume: bool,
    device: str,
    reporters: Sequence[Reporter],
    group: ProcessGroup,
) -> RunFolder:
    reporters = reporters if group.first else ()

    def train_member(member: RunConfig, place: RunFolder, more: Sequence[Reporter]) -> RunFolder:
        every = [*reporters, *more]
        return train(member, place, resume=True, device=device, reporters=every, group=group)

    return train_ensemble(config, run, train_member, resume, Reporters(reporters), group)


def _read_inputs(
    config: RunConfig, paths: Sequence[Path], checkpoint: Checkpoint | None
) -> RunInputs:
    """Read and prepare the training files; refuse files that differ from a resumed run's."""
    files = read_train_files(config, paths)
    if checkpoint is not None:
        check_same_run(config, [source for _, source in files], checkpoint)
    inputs = RunInputs.prepare(config, files)
    if checkpoint is None:
        inputs.check_leakage(config, files)
    else:  # already computed when the run started
        inputs.files.label_columns = checkpoint.data.label_columns
        inputs.files.fingerprints = checkpoint.data.fingerprints
    return inputs


@contextmanager
def _seeded(config: RunConfig, device: torch.device) -> Iterator[None]:
    """Seed the global generators and set the number of threads; restore both at the end."""
    threads = torch.get_num_threads()
    # forked: the generator of a program that calls `train` must not change
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(config.seed)
        torch.set_num_threads(config.train.thread_count())
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def _record(config: RunConfig, run: RunFolder, inputs: RunInputs, step: TrainingStep) -> RunRecord:
    """Collect the parts of the checkpoint that are constant during the run."""
    return RunRecord(
        versions=Versions.current(),
        config=config.without_paths(),
        data=inputs.files,
        preprocessor=inputs.data.preprocessor.state_dict(),
        engines=inputs.engine_numbers,
        host=Host(
            folder=str(run.path),
            data_dir=config.data.dir,
            files=config.data.own_files,
            device=step.device.type,
            threads=config.train.thread_count(),
            ranks=step.group.size,
            clock=Clock(),
        ),
    )


def _report_start(loop: Loop, inputs: RunInputs) -> None:
    """Report caveats about the results, and log the sizes of the run."""
    data, step, reporter = loop.data, loop.training_step, loop.reporter
    for caveat in _caveats(loop, inputs):
        reporter.note(caveat)
    reporter.detail(
        f"{len(data.training)} training, {len(data.validation)} validation and "
        f"{len(data.calibration)} calibration windows, "
        f"{sum(step.network.parameter_counts().values())} parameters, {step.device}, "
        f"torch {torch.__version__}, {torch.get_num_threads()} threads"
    )
    if late := inputs.late_records:
        reporter.note(f"{late} records start later than at cycle 1 and keep their cycle numbers")


def _caveats(loop: Loop, inputs: RunInputs) -> Iterator[str]:
    files, device = inputs.files, loop.training_step.device.type
    if loop.config.split.by == "windows":
        yield f"split.by windows is {LEAK}, so validation metrics are optimistic"
    yield from _own_file_caveats(loop, inputs) if loop.config.data.own else _file_caveats(inputs)
    if loop.config.data.flights is not None:  # so few units that the draw matters
        units = [str(inputs.names[number - 1]) for number in loop.data.engines.validation]
        yield f"validation on unit {', '.join(units)}"
    if files.label_columns:
        yield f"{LABEL_LEAK} ({', '.join(files.label_columns)}), so all metrics are optimistic"
    if files.held_cells:
        cells = list_held(files.held_cells)
        yield f"empty cells hold the engine's last value (data.missing): {cells}"
    if device in UNTESTED:
        yield f"--device {device} is untested: compare a run with --device cpu"
    if loop.training_step.group.description:
        yield loop.training_step.group.description


def _file_caveats(inputs: RunInputs) -> Iterator[str]:
    files = inputs.files.files
    if any(file.simulated for file in files):
        yield "the data are simulated: results on them are not results on NASA's data"
    for file in files:
        if not (file.simulated or file.official):
            yield f"{file.name} is not the official file"


def _own_file_caveats(loop: Loop, inputs: RunInputs) -> Iterator[str]:
    """Yield which records end with the failure, and which are held out."""
    name, censored = inputs.files.name, len(inputs.censored)
    held_out = f"; {len(inputs.test)} of its engines are held out for rul evaluate"
    held_out = held_out if len(inputs.test) else ""
    if not censored:
        yield (
            f"each record of {name} is assumed to end with the failure (data.event or "
            f"data.censored mark those that do not){held_out}"
        )
        return
    used = loop.record.engines
    engines = {*used.training, *used.validation, *used.calibration, *used.test}
    yield (
        f"{len(engines) - censored} of {counted(len(engines), 'record')} of {name} end with the "
        f"failure; the other {censored} are trained on with a one-sided loss, and neither select "
        f"the epoch nor calibrate the intervals{held_out}"
    )
