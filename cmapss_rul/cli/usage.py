"""Checks of a command line before Typer's: duplicate, renamed and mistaken options."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperCommand

from cmapss_rul.system.errors import UsageError

_OTHER_NAMES = {
    "epoch": "epochs",
    "bs": "batch_size",
    "batch": "batch_size",
    "lr": "learning_rate",
    "optimizer": "optimiser",
    "optim": "optimiser",
    "wd": "weight_decay",
    "window_size": "window",
    "window_length": "window",
    "max_rul": "cap",
    "early_stopping": "patience",
    "method": "balancer",
    "num_epochs": "epochs",
}
"""Common names of hyperparameters in other code → the last part of our key."""


_FORMER_OPTIONS = {
    "compare": {"--engine": "--executor"},
    "download-data": {"--dir": "--data"},
    "simulate": {"--out": "--output"},
}
"""Command → former spelling of an option, which still works → its present one."""


class Command(TyperCommand):
    """Command that refuses an option given twice, and suggests the key for an unknown option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments of the command."""
        for former, present in _FORMER_OPTIONS.get(self.name or "", {}).items():
            args = [re.sub(rf"^{former}(?==|$)", present, word) for word in args]
        if not ctx.resilient_parsing:  # that is the completion of an unfinished line
            self._check(ctx, list(args))
        return super().parse_args(ctx, args)

    def _check(self, ctx: Any, args: list[str]) -> None:
        options = {name: option for option in self.params for name in option.opts}
        # a dry run, because the error of the real one does not know the configuration's keys
        try:
            _, rest, order = self.make_parser(ctx).parse_args(list(args))
        except typer.TyperException as error:  # for example an unknown option
            option = getattr(error, "option_name", "")
            keys = _keys_of(option) if "--set" in options and option not in options else []
            if not keys:
                return  # the command itself reports it
            others = f" (or {', '.join(keys[1:])})" if keys[1:] else ""
            raise UsageError(
                f"{option} is not an option of {ctx.command_path} but a key of the configuration: "
                f"--set {keys[0]}={_value_after(option, args)}{others}"
            ) from None
        # by itself the parser takes the last value, so a stale one in a long line goes unnoticed
        for option, count in Counter(order).items():
            if count > 1 and not option.multiple and option.param_type_name == "option":
                raise UsageError(f"{option.opts[0]} is given {count} times; give it once")
        config = options.get("--config")
        if rest and config is not None and config not in order:
            raise UsageError(
                f"found {rest[0]}, expected options alone; the configuration is named by "
                f"--config {_quoted(rest[0])}"
            )


def _keys_of(option: str) -> list[str]:
    """Dotted keys of the configuration that have the name of an option, the likeliest first."""
    from cmapss_rul.config.schema import dotted_keys
    from cmapss_rul.training.config import RunConfig

    name = option.lstrip("-").replace("-", "_").lower()
    name = _OTHER_NAMES.get(name, name)
    keys = dotted_keys(RunConfig)
    # not 'name', which every union has: --name would match them all
    matches = [key for key in keys if key.rpartition(".")[2] == name != "name"]
    matches = [f"{key}.name" if f"{key}.name" in keys else key for key in matches]
    # a key with keys below it is a section, which takes no value
    matches = [key for key in matches if not any(other.startswith(f"{key}.") for other in keys)]
    # *guess*: an option of other people's scripts is mostly one of training or data
    likeliest = [key for key in matches if key.startswith(("train.", "data."))]
    return likeliest[:1] or matches


def _value_after(option: str, args: Sequence[str]) -> str:
    """Value that follows an option on the command line, quoted for the shell."""
    for word, following in zip(args, [*args[1:], "--"], strict=True):
        name, equals, value = word.partition("=")
        if name == option and equals:
            return _quoted(value)
        if name == option and not following.startswith("--"):
            return _quoted(following)
    return "VALUE"


def _quoted(word: str) -> str:
    from cmapss_rul.display.text import shell_word

    return shell_word(word)
