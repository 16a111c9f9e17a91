"""`rul compare`: train and compare a grid of runs; parsers of its list options."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cmapss_rul.cli.options import (
    Address,
    AsJson,
    Axes,
    Balancers,
    ConfigNames,
    Device,
    Executor,
    Folds,
    Gpus,
    Jobs,
    Loggers,
    Seeds,
    Sets,
    overrides_of,
)
from cmapss_rul.cli.output import print_line, print_table
from cmapss_rul.system.errors import UsageError

if TYPE_CHECKING:  # running the command imports torch, its help does not
    from cmapss_rul.experiments.results import Comparison
    from cmapss_rul.experiments.validation import ValidationComparison

# *guess*: more than any study needs; --seeds 20261129 is probably a mistyped 2026,1129
_MAX_SEEDS = 1_000


def compare(
    config: ConfigNames,
    balancer: Balancers = None,
    seeds: Seeds = "5",
    grid: Axes = None,
    folds: Folds = None,
    sets: Sets = None,
    jobs: Jobs = None,
    executor: Executor = "local",
    address: Address = None,
    gpus: Gpus = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Output folder; by default comparisons/<digest of the grid>."
        ),
    ] = None,
    device: Device = "auto",
    as_json: AsJson = False,
    allow_failed: Annotated[
        bool,
        typer.Option("--allow-failed", help="Evaluate on the test set even if some runs failed."),
    ] = False,
    oracle: Annotated[
        bool,
        typer.Option(
            "--oracle",
            help="Also record each run's best TEST epoch, to measure the optimism of test-set "
            "selection.",
        ),
    ] = False,
    baseline: Annotated[
        bool,
        typer.Option(
            "--baseline",
            help="Also fit gradient boosting on window statistics, tuned on the same validation "
            "engines. Needs pip install 'cmapss_rul[baseline]'.",
        ),
    ] = False,
    validation_only: Annotated[
        bool,
        typer.Option(
            "--validation-only",
            help="Compare on the validation engines; open no test file. The same command without "
            "this option evaluates the same runs on the test set.",
        ),
    ] = False,
    rank_all: Annotated[
        bool,
        typer.Option("--rank-all", help="Rank cells even if their training data differ."),
    ] = False,
    ledger: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also merge the results into this JSON file."),
    ] = None,
    logger: Loggers = None,
) -> None:
    """Compare configurations and balancers over the same seeds.

    Runs are saved to DIR/runs as by `rul train`; run the same command again to resume. The test
    files are opened once, after all runs have finished, except with --oracle. Prints tables and a
    summary with statistical tests, and saves comparison.json, comparison.csv and plots. Trackers
    (--logger) receive each training run, in a group named after DIR.

    \b
    Examples:
      rul compare --config fd001 --balancer fixed,amnl,gradnorm --seeds 5
      rul compare --config fd001,fd003 --grid train.learning_rate=1e-3,2e-3 --seeds 3,7 --jobs 2
      rul compare --config fd001 --grid split.seed=0,1,2 --grid train.clip=1,10 --validation-only
      rul compare --config fd001,fd002 --folds 5 --jobs 2
      rul compare --config fd001 --seeds 20 --executor ray --address 10.0.0.1:6379
    """
    # the lists first: a typing error is reported before torch, which takes seconds, is imported
    configs = parse_names("--config", config)
    balancers = None if balancer is None else parse_names("--balancer", balancer)
    seed_list, axes = parse_seeds(seeds), parse_axes(grid or ())

    from cmapss_rul.training.trackers import parse_names as parse_loggers

    loggers = parse_loggers(logger or ())

    from cmapss_rul.cli.progress import GridProgress
    from cmapss_rul.experiments import table, validation
    from cmapss_rul.experiments.compare import RunsFailed, compare_validation, default_folder
    from cmapss_rul.experiments.compare import compare as run_comparison
    from cmapss_rul.experiments.executors import Options
    from cmapss_rul.experiments.grid import make_grid

    runs = make_grid(
        configs,
        balancers=balancers,
        seeds=seed_list,
        axes=axes,
        sets=overrides_of(sets, folds),
        oracle=oracle,
        baseline=baseline,
    )
    progress = GridProgress(quiet_stdout=as_json)
    options = Options(
        jobs, device, allow_failed, ledger, executor, address, gpus, rank_all, loggers
    )
    folder = output or default_folder(runs)
    comparison: Comparison | ValidationComparison
    try:
        if validation_only:
            comparison = compare_validation(runs, folder, options, progress)
            rendered = validation.render(comparison)
        else:
            comparison = run_comparison(runs, folder, options, progress)
            rendered = table.render(comparison)
    finally:  # the bar would overwrite an error line
        progress.close()
    if as_json:
        typer.echo(comparison.as_json(), nl=False)
    else:
        print_table(rendered)
        print_line(f"saved in {folder}")
    if comparison.missing:  # --allow-failed still exits with 1, so that scripts notice
        raise RunsFailed(comparison.errors, len(runs.runs))


def parse_names(option: str, text: str) -> list[str]:
    """Parse a comma-separated list; UsageError if it is empty or has duplicates.

    >>> parse_names("--balancer", "fixed, amnl")
    ['fixed', 'amnl']
    """
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise UsageError(f"{option}: expected comma-separated names, found nothing")
    return _reject_duplicates(option, names)


def parse_seeds(text: str) -> list[int]:
    """Parse a number of seeds, or a list of seeds.

    Args:
        text: a number N for the seeds 0 … N − 1; a list if it contains a comma.

    Raises:
        UsageError: not whole numbers, an empty list, or a duplicate.

    >>> parse_seeds("5"), parse_seeds("3,7"), parse_seeds("7,")
    ([0, 1, 2, 3, 4], [3, 7], [7])
    """
    numbers = [_seed(part.strip(), text) for part in text.split(",") if part.strip()]
    if "," in text and numbers:  # the comma decides: '7,' is seed 7, '7' is seven seeds
        return _reject_duplicates("--seeds", numbers)
    if not numbers or not 1 <= numbers[0] <= _MAX_SEEDS:
        raise UsageError(
            f"--seeds {text}: expected a number of seeds from 1 to {_MAX_SEEDS:,}, "
            "or a list of seeds with a comma, such as 3,7 or 7,"
        )
    return list(range(numbers[0]))


def parse_axes(texts: Sequence[str]) -> dict[str, list[Any]]:
    """Parse the options --grid: dotted key → its values, in order.

    The text after `=` is parsed as the items of a YAML list, so a value may itself be a list.

    Raises:
        UsageError: no key, no values, a duplicate, or a key that another option sets.

    >>> parse_axes(["model.cnn.channels=[32],[32, 32]"])
    {'model.cnn.channels': [[32], [32, 32]]}
    """
    from cmapss_rul.config.yaml import parse_yaml

    fixed = _fixed_keys()
    axes: dict[str, list[Any]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        key = key.strip()
        if not equals or not all(key.split(".")):
            raise UsageError(
                f"--grid {text}: expected KEY=VALUE,VALUE, such as "
                "--grid train.learning_rate=1e-3,2e-3"
            )
        where = f"--grid {key}"
        if key in fixed:
            raise UsageError(f"{where}: cannot be varied here; {fixed[key]}")
        if key in axes:
            raise UsageError(f"{where}: is given twice; give all its values in one --grid")
        # not split at commas, which may be inside a list or a quoted string
        parsed = parse_yaml(f"[{values}]", where)
        if not isinstance(parsed, list) or not parsed:
            raise UsageError(f"{where}: expected comma-separated values, found nothing")
        axes[key] = _reject_duplicates(where, parsed)
    return axes


def _fixed_keys() -> dict[str, str]:
    """Return the keys that cannot be varied with --grid → the alternative."""
    from cmapss_rul.data.config import OWN_FILES

    return {
        "seed": "set the seeds with --seeds",
        "balancer.name": "set the balancers with --balancer",
        "train.threads": "every run of a grid has one thread",
        "data.dir": "all runs of a comparison share one folder; set it with --set data.dir=DIR",
        **{
            f"data.{key}": f"all runs of a comparison share it; set it with --set data.{key}=FILE"
            for key in OWN_FILES
        },
    }


def _seed(part: str, text: str) -> int:
    # int() also accepts '+1', '1_0' and the digits of other scripts
    if not (part.isascii() and part.isdecimal()) or int(part) >= 2**63:
        raise UsageError(f"--seeds {text}: '{part}' is not a seed; expected whole numbers from 0")
    return int(part)


def _reject_duplicates(option: str, values: list[Any]) -> list[Any]:
    from cmapss_rul.experiments.identity import as_text

    seen = set()
    for text in map(as_text, values):  # as texts, because in Python True == 1
        if text in seen:
            raise UsageError(f"{option}: {text} is listed twice; list it once")
        seen.add(text)
    return values
