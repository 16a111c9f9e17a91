"""Experiment trackers: `rul train --logger NAMES`.

base              the interface of a tracker, and the description of a run for it
tracker_reporter  passes the events of a run to its trackers, and stores their run ids
csv, mlflow, tensorboard, trackio, wandb
                  one tracker each; all but csv need the optional extra of the same name
"""

from collections.abc import Iterable

from cmapss_rul.system.errors import UsageError

NAMES = ("csv", "mlflow", "tensorboard", "trackio", "wandb")


def parse_names(texts: Iterable[str]) -> tuple[str, ...]:
    """Parse the values of `--logger`, each of them comma-separated.

    Raises:
        UsageError: there is no such tracker.

    >>> parse_names(["csv, mlflow", "wandb"])
    ('csv', 'mlflow', 'wandb')
    """
    names = [part.strip() for text in texts for part in text.split(",")]
    for name in names:
        if name not in NAMES:
            raise UsageError(
                f"--logger: found '{name}', expected one or more of {', '.join(NAMES)}"
            )
    return tuple(dict.fromkeys(names))
