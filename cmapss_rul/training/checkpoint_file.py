"""File format of checkpoints: `torch.save` with a digest, loaded only if it is safe.

    zip archive as written by `torch.save`, without compression
    comment of that archive: mark, then the SHA-256 of every byte before it

The digest detects damage (*measured*: `torch.load` accepted 598 of 600 files with a flipped byte),
not manipulation. So a file with a valid digest is still untrusted: its archive must not unpack to
more than its own size, no code in it is run, and its content must be plain values, no more and no
more deeply nested than those of a checkpoint.
"""

import hashlib
import io
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cmapss_rul.system.errors import CheckpointError, one_line
from cmapss_rul.system.files import write_verified

# unchanged as long as older files load: new keys have a default value
FORMAT_VERSION = 1
BEST = "best.pt"
"""Name of the checkpoint that is used if a run folder is given."""

PARTS = ("versions", "config", "data", "preprocessor", "split", "model", "loop", "host")
"""Required top-level keys."""

MAX_BYTES = 2**31
"""About the size of a checkpoint of the largest network that a configuration allows."""

_MARK = b"cmapss_rul sha256 "
_COMMENT = len(_MARK) + 64
_END = b"PK\x05\x06"
_END_RECORD = 22
_MAX_DEPTH = 16
_MAX_VALUES = 10**7
"""About three times the values in a checkpoint of the longest run that a configuration allows."""


def write(path: Path, content: dict[str, Any], keep_as: Path | None = None) -> None:
    """Write a checkpoint atomically, and verify it by reading the bytes back.

    `keep_as` is the new name of the existing checkpoint at `path`, if it is to be kept.
    """
    write_verified(path, seal(content), keep_as)


def read(path: Path) -> dict[str, Any]:
    """Read the content of a checkpoint, if it is undamaged, of this format, and free of code.

    Raises:
        CheckpointError: the file is invalid; names path and reason.
    """
    return read_with_digest(path)[0]


def read_with_digest(path: Path) -> tuple[dict[str, Any], str]:
    """Read the content of a checkpoint, and the SHA-256 of the same bytes; see `read`."""
    if not path.exists():
        raise CheckpointError(f"{path}: there is no such checkpoint{_alternatives(path)}")
    content, digest = open_sealed(path)
    return check_format(content, path), digest


def check_format(content: Any, path: Path) -> dict[str, Any]:
    """Refuse content of another format, or without one of `PARTS`.

    Raises:
        CheckpointError: names path and reason.
    """
    found = content.get("format_version") if isinstance(content, dict) else None
    if type(found) is not int or found != FORMAT_VERSION:  # comparing a tensor gives a tensor
        raise CheckpointError(
            f"{path}: found checkpoint format {found}, expected {FORMAT_VERSION}; "
            "train again, or use the version of cmapss_rul that wrote it"
        )
    missing = [part for part in PARTS if not isinstance(content.get(part), dict)]
    if missing:
        raise CheckpointError(f"{path}: its part {missing[0]} is missing; train again")
    return dict(content)


def seal(content: Any) -> bytes:
    """Serialise the content of a checkpoint, followed by its digest."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    archive = bytearray(buffer.getvalue())
    archive[-2:] = _COMMENT.to_bytes(2, "little")  # length of the comment, the last field
    return bytes(archive) + _MARK + hashlib.sha256(archive).hexdigest().encode()


def unseal(data: bytes, name: str) -> Any:
    """Verify and deserialise the bytes of a checkpoint; `name` is for the error message.

    Raises:
        CheckpointError: the bytes are damaged, not a checkpoint of this package, or unsafe.
    """
    if data[-_COMMENT:][: len(_MARK)] != _MARK:
        raise CheckpointError(
            f"{name}: this is not a checkpoint of cmapss_rul, or its end is missing; expected a "
            "best.pt or last.pt that `rul train` wrote"
        )
    if hashlib.sha256(data[:-_COMMENT]).hexdigest().encode() != data[-64:]:
        raise CheckpointError(
            f"{name}: the file is damaged, its digest does not match its bytes; "
            "take another copy of it, or train again"
        )
    try:
        _check_archive(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the one-line error suffices
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        _check_plain(content, len(data))
    except pickle.UnpicklingError as error:  # torch's message explains how to run the code
        raise CheckpointError(
            f"{name}: cannot be loaded: found something other than plain values and tensors"
        ) from error
    except Exception as error:  # malformed input makes the unpickler raise any exception
        raise CheckpointError(f"{name}: cannot be loaded: {one_line(error)[:200]}") from error
    return content


def open_sealed(path: Path) -> tuple[Any, str]:
    """Read the content of a checkpoint of any format, and the SHA-256 of the file.

    Raises:
        CheckpointError: the file is invalid; names path and reason.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: found no regular file, expected a checkpoint")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise CheckpointError(f"{path}: has {size} bytes; a checkpoint has at most {MAX_BYTES}")
    data = path.read_bytes()
    return unseal(data, str(path)), hashlib.sha256(data).hexdigest()


def _alternatives(path: Path) -> str:
    found = sorted(other.name for other in path.parent.glob("*.pt"))
    if found:
        return f"; its folder contains {', '.join(found)}"
    beside = "; its folder contains no checkpoint"
    if not path.parent.is_dir():
        beside = f" (and no folder {path.parent})"
    # the default folder of runs; `training.runs`, which defines it, imports this module
    best = sorted(Path("runs").glob(f"*/{BEST}"), key=lambda file: -file.stat().st_mtime_ns)
    names = ", ".join(file.parent.as_posix() for file in best[:3])
    return f"{beside}; the newest runs are {names}" if names else beside


def _check_archive(data: bytes) -> None:
    """Refuse an archive that would unpack to more bytes than the file has."""
    # PyTorch's reader and `zipfile` must find the same end record: otherwise one directory could
    # be checked here and another one loaded
    end = len(data) - _COMMENT - _END_RECORD
    if data[max(end, 0) :][: len(_END)] != _END or data.rfind(_END) != end:
        raise ValueError("the archive does not end with its end record")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
    if any(m.compress_type != zipfile.ZIP_STORED or m.flag_bits & 1 for m in members):
        raise ValueError("a member of the archive is compressed or encrypted")
    # uncompressed members cannot be larger than the file, so a small file cannot exhaust memory
    if sum(max(m.file_size, m.compress_size) for m in members) > len(data):
        raise ValueError("the members of the archive are larger than the file")
    if len({m.filename for m in members}) != len(members):
        raise ValueError("two members of the archive have the same name")
    if min((m.header_offset for m in members), default=0) != 0:
        raise ValueError("found bytes before the archive")


def _check_plain(content: Any, most: int) -> None:
    """Refuse values that checkpoints never contain.

    A file has more bytes than values, unless it references one value many times; and a tensor has
    no more bytes than the file, unless it repeats elements (by strides of 0).
    """
    waiting, seen = [(content, 0)], 0
    while waiting:
        value, depth = waiting.pop()
        seen += 1
        if seen > min(most, _MAX_VALUES) or depth > _MAX_DEPTH:
            raise ValueError("its values are nested too deeply, or too many")
        if type(value) is dict:
            waiting += [(inner, depth + 1) for pair in value.items() for inner in pair]
        elif type(value) in (list, tuple):
            waiting += [(inner, depth + 1) for inner in value]
        elif type(value) is Tensor:
            _check_tensor(value, most)
        elif type(value) is int and abs(value) >= 2**64:
            raise ValueError("a number in it is too large for a checkpoint")
        elif type(value) not in (str, int, float, bool, type(None)):
            raise ValueError(f"a value in it is of type {type(value).__name__}")


def _check_tensor(tensor: Tensor, most: int) -> None:
    plain = tensor.layout is torch.strided and tensor.device.type == "cpu"
    if not plain or tensor.is_quantized or not tensor.is_contiguous():
        raise ValueError("a tensor in it is not dense, contiguous and on the CPU")
    if tensor.nbytes > most:
        raise ValueError("a tensor in it is larger than the file")
