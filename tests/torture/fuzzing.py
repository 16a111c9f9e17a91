"""The framework of the fuzzing campaigns: targets, two coverage-guided engines, counts.

    seeds --> corpus --> mutate --> check: accepted | refused | defect
                 ^                      |
                 +---- new coverage ----+

The engine is atheris (libFuzzer) where it is installed, otherwise a plain loop that traces lines.
A campaign has no time limit; an input that takes more than `CPU_SECONDS` or `MEMORY_BYTES` is a
defect.

    python -m tests.torture.fuzz_reader --rounds 100000 --seed 1
"""

import argparse
import base64
import contextlib
import json
import mmap
import os
import resource
import signal
import struct
import sys
import tempfile
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from tests.torture.counts import Counts
from tests.torture.havoc import havoc

CPU_SECONDS = 20.0
MEMORY_BYTES = 512 << 20
LONGEST_INPUT = 1 << 13
_MOST_DEFECTS = 20
_COUNTS = struct.Struct("3q")


class Defect(Exception):
    """The package violated a promise: the campaign found a defect."""


@dataclass(frozen=True)
class Target:
    """A function under test, and its inputs.

    Attributes:
        name: of the campaign.
        check: tries one input; True where it was accepted, False where it was refused as
            promised; anything raised is a defect.
        seeds: initial corpus.
        words: tokens that mutations insert.
        modules: prefixes of the modules whose coverage guides the search.
        in_place: whether most mutations keep the length.
        make: generates a random input.
    """

    name: str
    check: Callable[[bytes], bool]
    seeds: Sequence[bytes]
    words: Sequence[bytes]
    modules: tuple[str, ...]
    in_place: bool = False
    make: Callable[[Random], bytes] | None = None

    def mutate(self, data: bytes, random: Random, other: bytes) -> bytes:
        """Return the input with a few changes, or a generated one."""
        if self.make and random.random() < 0.5:
            return self.make(random)
        return havoc(data, random, self.words, other, in_place=self.in_place)[:LONGEST_INPUT]


def require_one_line(message: str) -> None:
    """Require that a message is one line of printable characters."""
    if not message or not message.isprintable():
        raise Defect(f"the message is not one printable line: {message!r}")
    if len(message) > 20_000:
        raise Defect(f"a message of {len(message)} characters")


def run(target: Target, rounds: int, seed: int, engine: str = "auto") -> Counts:
    """Try `rounds` inputs, the seeds of the target first.

    Returns:
        Counts of two kinds: 'accepted', compared with an independent implementation where there
        is one, and 'refused', each with one printable line; a defect comes with its input.
    """
    if engine == "auto":
        engine = "atheris" if _atheris_is_there() else "loop"
    counts = Counts(f"fuzz_{target.name}, {engine}", seed)
    if engine == "atheris":
        _run_atheris(target, rounds, counts)
    else:
        _run_loop(target, rounds, counts)
    return counts


def _atheris_is_there() -> bool:
    with contextlib.suppress(ImportError):
        import atheris

        return hasattr(atheris, "Fuzz")
    return False


def _try(target: Target, data: bytes, counts: Counts) -> None:
    counts.cases += 1
    peak = _peak_bytes()
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    try:
        counts.kinds["accepted" if target.check(data) else "refused"] += 1
        if _peak_bytes() - peak > MEMORY_BYTES:
            raise Defect(f"took {_peak_bytes() - peak} bytes")
    except Exception as error:
        place = _place(error)
        known = any(place in text for text in counts.defects)
        if len(counts.defects) < _MOST_DEFECTS and not known:
            shown = base64.b64encode(data).decode()
            counts.defects.append(f"{type(error).__name__}: {error} ({place}), input {shown}")
        elif not known:
            counts.defects[-1] = "and more"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "nowhere"


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _hang(*_args: object) -> None:
    raise Defect(f"more than {CPU_SECONDS} s of processor time")


def _run_loop(target: Target, rounds: int, counts: Counts) -> None:
    random = Random(counts.seed)
    corpus = list(target.seeds)
    seen: set[tuple[str, int, int]] = set()
    signal.signal(signal.SIGVTALRM, _hang)
    for index in range(rounds):
        if index < len(target.seeds):
            data = target.seeds[index]
        else:
            # prefer the newest inputs, which reach new code; the seeds are valid
            place = max(random.randrange(len(corpus)) for _ in range(2))
            data = random.choice((corpus[place], corpus[place], random.choice(target.seeds)))
            data = target.mutate(data, random, random.choice(corpus))
        with _traced(target.modules) as lines:
            _try(target, data, counts)
        if not lines <= seen:
            seen |= lines
            corpus.append(data)


@contextlib.contextmanager
def _traced(prefixes: tuple[str, ...]) -> Iterator[set[tuple[str, int, int]]]:
    """Collect the transitions from line to line inside the modules."""
    steps: set[tuple[str, int, int]] = set()

    def call(frame: types.FrameType, _event: str, _arg: object) -> Any:
        name = frame.f_globals.get("__name__", "")
        if not name.startswith(prefixes):
            return None
        last = 0

        def line(frame: types.FrameType, event: str, _arg: object) -> Any:
            nonlocal last
            if event == "line":
                steps.add((name, last, frame.f_lineno))
                last = frame.f_lineno
            return line

        return line

    former = sys.gettrace()
    sys.settrace(call)
    try:
        yield steps
    finally:
        sys.settrace(former)


def _run_atheris(target: Target, rounds: int, counts: Counts) -> None:
    """Fuzz in a child, because libFuzzer exits its process."""
    shared = mmap.mmap(-1, _COUNTS.size)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "corpus").mkdir()
        for index, seed in enumerate(target.seeds):
            (folder / "corpus" / f"{index:04d}").write_bytes(seed)
        child = os.fork()
        if child == 0:
            try:
                _fuzz_until_exit(target, rounds, counts, folder, shared)
            finally:
                os._exit(99)
        _, status = os.waitpid(child, 0)
        counts.cases, counts.kinds["accepted"], counts.kinds["refused"] = _COUNTS.unpack(shared[:])
        if (folder / "defects").exists():
            counts.defects = json.loads((folder / "defects").read_text())
        if code := os.waitstatus_to_exitcode(status):
            log = (folder / "log").read_text(errors="replace")[-2000:]
            bad = next(folder.glob("bad-*"), None)
            shown = base64.b64encode(bad.read_bytes()).decode() if bad else "unknown"
            counts.defects.append(f"the process ended with {code}, input {shown}: {log}")


def _fuzz_until_exit(
    target: Target, rounds: int, counts: Counts, folder: Path, shared: mmap.mmap
) -> None:
    import atheris

    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 2)
    os.dup2(log, 1)
    signal.signal(signal.SIGVTALRM, _hang)
    _instrument(target.modules, atheris.instrument_func)

    def one(data: bytes) -> None:
        _try(target, data, counts)
        shared[:] = _COUNTS.pack(counts.cases, counts.kinds["accepted"], counts.kinds["refused"])
        if counts.cases >= rounds:
            (folder / "defects").write_text(json.dumps(counts.defects))
            os._exit(0)

    def mutator(data: bytes, longest: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < 0.3:
            return bytes(atheris.Mutate(data, longest))
        if random.random() < 0.3:
            data = random.choice(target.seeds)
        return target.mutate(data, random, random.choice(target.seeds))[:longest]

    options = [
        f"-seed={counts.seed % (1 << 31) + 1}", f"-max_len={LONGEST_INPUT}", "-len_control=0",
        "-timeout=600", "-rss_limit_mb=3000", f"-artifact_prefix={folder}/bad-",
        "-print_final_stats=0", "-verbosity=0",
    ]  # fmt: skip
    atheris.Setup([target.name, *options, str(folder / "corpus")], one, custom_mutator=mutator)
    atheris.Fuzz()


def _instrument(prefixes: tuple[str, ...], instrument: Callable[[Any], Any]) -> None:
    """Instrument the functions of modules that are loaded already."""
    for name, module in list(sys.modules.items()):
        if not name.startswith(prefixes):
            continue
        things = list(vars(module).values())
        things += [
            part for kind in things if isinstance(kind, type) for part in vars(kind).values()
        ]
        for thing in things:
            function = getattr(thing, "__func__", getattr(thing, "__wrapped__", thing))
            if isinstance(function, types.FunctionType) and function.__module__ == name:
                instrument(function)


def main(target: Target, arguments: Sequence[str] | None = None) -> int:
    """Run one campaign from the command line; prints its counts as JSON."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.torture.fuzz_{target.name}")
    parser.add_argument("--rounds", type=int, default=10_000, help="number of inputs")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations")
    parser.add_argument("--engine", choices=("auto", "atheris", "loop"), default="auto")
    parser.add_argument("--input", help="run this one input, in base64, without catching errors")
    options = parser.parse_args(arguments)
    if options.input:
        print("accepted" if target.check(base64.b64decode(options.input)) else "refused")  # noqa: T201
        return 0
    counts = run(target, options.rounds, options.seed, options.engine)
    print(json.dumps(vars(counts), indent=2))  # noqa: T201
    return 1 if counts.defects else 0
