"""Checks of a command line before Typer parses it: duplicate, renamed and mistaken options."""

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
"""Common names of hyperparameters elsewhere → last part of our configuration key."""


_FORMER_OPTIONS = {
    "compare": {"--engine": "--executor"},
    "download-data": {"--dir": "--data"},
    "simulate": {"--out": "--output"},
}
"""Command → former spelling of an option, still accepted → present spelling."""


class Command(TyperCommand):
    """Command that rejects duplicate options and suggests the key for an unknown option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments of the command."""
        for former, present in _FORMER_OPTIONS.get(self.name or "", {}).items():
            args = [re.sub(rf"^{former}(?==|$)", present, word) for word in args]
        if not ctx.resilient_parsing:  # true during shell completion
            self._check(ctx, list(args))
        return super().parse_args(ctx, args)

    def _check(self, ctx: Any, args: list[str]) -> None:
        options = {name: option for option in self.params for name in option.opts}
        # a dry run: Typer's own error does not know the keys of the configuration
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
        # Typer silently takes the last value of an option given twice
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
    """Return the configuration keys that match the name of an option, the likeliest first."""
    from cmapss_rul.config.schema import dotted_keys
    from cmapss_rul.training.config import RunConfig

    name = option.lstrip("-").replace("-", "_").lower()
    name = _OTHER_NAMES.get(name, name)
    keys = dotted_keys(RunConfig)
    # not 'name', a key of every union
    matches = [key for key in keys if key.rpartition(".")[2] == name != "name"]
    matches = [f"{key}.name" if f"{key}.name" in keys else key for key in matches]
    # a key with keys below it is a section, not a value
    matches = [key for key in matches if not any(other.startswith(f"{key}.") for other in keys)]
    # *guess*: options of other scripts are mostly about training or data
    likeliest = [key for key in matches if key.startswith(("train.", "data."))]
    return likeliest[:1] or matches


def _value_after(option: str, args: Sequence[str]) -> str:
    """Return the value after an option on the command line, quoted for the shell."""
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
