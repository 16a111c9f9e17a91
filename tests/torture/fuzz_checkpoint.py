"""Campaign: any bytes as a checkpoint, with an invalid and with a valid digest.

An input that begins with `=` is the file itself; any other is an archive after one byte, with a
valid digest, which anybody can compute. Both must be refused or loaded, and must never run code.
"""

import hashlib
import io
import sys
import tempfile
import warnings
from pathlib import Path
from random import Random
from typing import Any

import torch

from cmapss_rul.system.errors import CheckpointError
from cmapss_rul.training import checkpoint_file
from tests.torture import fuzzing
from tests.torture.counts import Counts
from tests.torture.fuzzing import Defect, Target, require_one_line
from tests.torture.havoc import havoc

_PLAIN = (dict, list, tuple, str, int, float, bool, type(None), torch.Tensor)
_fired: list[str] = []


def fire(text: str) -> str:
    """Record the call; only a trap in a pickle calls this."""
    _fired.append(text)
    return text


class _Trap:
    """Pickles as a call of `fire`."""

    def __reduce__(self) -> tuple[Any, ...]:
        return fire, ("a checkpoint ran code",)


def seal(archive: bytes) -> bytes:
    """Append the digest to an archive, as `checkpoint_file.write` does."""
    mark = b"cmapss_rul sha256 "
    body = archive[:-2] + (len(mark) + 64).to_bytes(2, "little")
    return body + mark + hashlib.sha256(body).hexdigest().encode()


class Checker:
    """Writes each input to one file and opens it as a checkpoint."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._path = Path(self._folder.name) / "best.pt"
        torch.set_num_threads(1)

    def __call__(self, data: bytes) -> bool:
        """Open one input."""
        as_it_is = data[:1] == _AS_IT_IS
        content = data[1:] if as_it_is else seal(data[1:])
        self._path.write_bytes(content)
        try:
            with warnings.catch_warnings(record=True) as warned:
                loaded = checkpoint_file.read(self._path)
        except CheckpointError as error:
            require_one_line(str(error))
            if not str(error).startswith(str(self._path)):
                raise Defect(f"a refusal that does not name the file first: {error}") from error
            return False
        finally:
            if _fired:
                raise Defect(_fired.pop())
            if warned:
                raise Defect(f"a warning beside the one line: {warned[0].message}")
        _require_plain(loaded)
        if seal(content[: -len(_SEAL)]) != content and as_it_is:
            raise Defect("taken with a wrong digest")
        return True


def _require_plain(value: Any) -> None:
    if not isinstance(value, _PLAIN):
        raise Defect(f"a checkpoint with a {type(value)} inside")
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list | tuple):
        for part in value:
            _require_plain(part)


def saved(content: Any, **options: Any) -> bytes:
    """Return the bytes that torch.save writes."""
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def _content() -> dict[str, Any]:
    parts: dict[str, Any] = {name: {} for name in checkpoint_file.PARTS}
    parts["model"] = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2)}
    parts["loop"] = {"epoch": 3, "history": [{"val_rmse": 1.5}], "note": "text", "end": None}
    return {"format_version": checkpoint_file.FORMAT_VERSION, **parts}


_WHOLE = saved(_content())
_AS_IT_IS = b"="
_SEAL = seal(bytes(2))[2:]


def make(random: Random) -> bytes:
    """Return a valid archive with a few bytes changed in place, and a new digest."""
    return b"\0" + havoc(_WHOLE, random, (b"\0", b"K\1", b"R"), b"", in_place=True)


TARGET = Target(
    name="checkpoint",
    check=Checker(),
    seeds=(
        b"\0" + _WHOLE,
        _AS_IT_IS + seal(_WHOLE),
        b"\0" + saved({**_content(), "format_version": 99}),
        b"\0" + saved({**_content(), "model": _Trap()}),
        b"\0" + saved(_Trap()),
        b"\0" + saved(_content(), _use_new_zipfile_serialization=False),
        b"\0" + saved(_Trap(), _use_new_zipfile_serialization=False),
        b"\0" + saved([1, 2]),
        b"=not a checkpoint",
        b"",
    ),
    words=(
        b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"\x80\x02", b"cposix\nsystem\n",
        b"cbuiltins\neval\n",
        b"ctests.torture.fuzz_checkpoint\nfire\n", b"X\x04\0\0\0boom\x85R",
        b"ctorch._utils\n_rebuild_tensor_v2\n",
        b"ctorch\nFloatStorage\n", b"ccollections\nOrderedDict\n", b"(", b")", b"}", b"]", b"R",
        b".", b"Q",
        b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f", b"J\xff\xff\xff\x7f", b"K\0", b"M\xff\xff",
        b"N", b"\x88",
        b"q\0", b"h\0", b"u", b"s", b"a", b"e", b"0", b"2", b"X\xff\xff\xff\x7f", b"data.pkl",
        b"version", b"byteorder",
    ),
    modules=("cmapss_rul.training", "torch.serialization", "torch._weights_only_unpickler"),
    in_place=True,
    make=make,
)  # fmt: skip


def run(rounds: int, seed: int, engine: str = "auto") -> Counts:
    """Run the campaign."""
    return fuzzing.run(TARGET, rounds, seed, engine)


if __name__ == "__main__":
    sys.exit(fuzzing.main(TARGET))
