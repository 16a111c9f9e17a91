"""Untrusted checkpoints with a valid digest: no code runs, memory stays bounded."""

import hashlib
import io
import os
import pickle
import zipfile

import pytest
import torch

from cmapss_rul.system.errors import CheckpointError
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.checkpoint_file import open_sealed, seal, unseal

MARK = b"cmapss_rul sha256 "
MEMBERS = {"archive/version": b"3\n", "archive/byteorder": b"little"}


def with_digest(archive: bytes) -> bytes:
    """Append a fitting comment and a valid digest, which anybody can compute."""
    body = archive[:-2] + (len(MARK) + 64).to_bytes(2, "little")
    return body + MARK + hashlib.sha256(body).hexdigest().encode()


def archive_of(pickled: bytes, method=zipfile.ZIP_STORED, **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, content in (MEMBERS | members).items():
            archive.writestr(name, content)
    return buffer.getvalue()


def refused(data: bytes, message: str = "cannot be loaded") -> str:
    with pytest.raises(CheckpointError, match=message) as caught:
        unseal(data, "a.pt")
    text = str(caught.value)
    assert text.startswith("a.pt: ")
    assert "\n" not in text
    assert len(text) < 300
    return text


def test_a_written_archive_is_read():
    content = {"a": [1, 2.5, None, True, "x"], "t": torch.arange(3), 4: (1, 2)}
    again = unseal(seal(content), "a.pt")
    assert torch.equal(again.pop("t"), content.pop("t"))
    assert again == content


def test_a_harmless_hand_made_archive_is_accepted():
    assert unseal(with_digest(archive_of(pickle.dumps({"a": 1}, 2))), "a.pt") == {"a": 1}


# ---- archives ---------------------------------------------------------------------------------


def test_bytes_before_the_archive_are_refused():
    archive = archive_of(pickle.dumps({}, 2))
    refused(with_digest(b"#!/bin/sh\n" + archive), "bytes before the archive")


def test_bytes_after_the_archive_are_refused():
    body = with_digest(archive_of(pickle.dumps({}, 2)))[: -len(MARK) - 64] + b"more"
    data = body + MARK + hashlib.sha256(body).hexdigest().encode()
    refused(data, "does not end with its end record")


def test_an_end_record_within_the_digest_is_ignored():
    refused(with_digest(b""), "does not end|no checkpoint")
    refused(with_digest(b"PK\x05\x06" + bytes(18)), "cannot be loaded")


def test_a_compressed_archive_is_refused_before_unpacking():
    zeros = {"archive/data/0": bytes(50_000_000)}
    bomb = archive_of(pickle.dumps({}, 2), zipfile.ZIP_DEFLATED, **zeros)
    assert len(bomb) < 100_000
    refused(with_digest(bomb), "compressed or encrypted")


def test_a_wrong_size_is_refused():
    archive = bytearray(archive_of(pickle.dumps({}, 2), **{"archive/data/0": bytes(64)}))
    for offset in (archive.rfind(b"PK\x01\x02"),):
        archive[offset + 24 : offset + 28] = (2**31).to_bytes(4, "little")
    refused(with_digest(bytes(archive)), "larger than the file")


def test_members_that_share_their_bytes_are_refused():
    """Many names for one large member would be read many times."""
    archive = archive_of(pickle.dumps({}, 2), **{"archive/data/0": bytes(100_000)})
    start = archive.rfind(b"PK\x01\x02")
    end = archive.rfind(b"PK\x05\x06")
    record, head = archive[start:end], archive[:start]
    copies = b"".join(record.replace(b"data/0", b"data/%d" % n) for n in range(1, 9))
    directory = archive[archive.find(b"PK\x01\x02") : end] + copies
    tail = bytearray(archive[end:])
    for offset in (8, 10):
        tail[offset : offset + 2] = (len(MEMBERS) + 2 + 8).to_bytes(2, "little")
    tail[12:16] = len(directory).to_bytes(4, "little")
    body = archive[: archive.find(b"PK\x01\x02")] + directory + bytes(tail)
    assert head.startswith(b"PK")
    refused(with_digest(body), "larger than the file")


def test_duplicate_member_names_are_refused():
    buffer = io.BytesIO(archive_of(pickle.dumps({}, 2)))
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("archive/data.pkl", pickle.dumps({"other": 1}, 2))
    refused(with_digest(buffer.getvalue()), "two members of the archive have the same name")


# ---- pickles ----------------------------------------------------------------------------------

COMMANDS = [
    b"\x80\x02cposix\nsystem\nX\x0c\x00\x00\x00touch caughtq\x00\x85R.",
    b"\x80\x02cbuiltins\nexec\nX\x16\x00\x00\x00open('caught','w').close\x85R.",
    b"\x80\x02ccmapss_rul.files\nwrite_whole\nX\x06\x00\x00\x00caughtX\x01\x00\x00\x00x\x86R.",
    b"\x80\x02ctorch\nload\nX\x06\x00\x00\x00caught\x85R.",
    b"\x80\x02cnumpy\nfromfile\nX\x06\x00\x00\x00caught\x85R.",
    b"(S'touch caught'\nios\nsystem\n.",
]


@pytest.mark.parametrize("pickled", COMMANDS)
def test_a_malicious_pickle_is_not_executed(tmp_path, monkeypatch, pickled):
    monkeypatch.chdir(tmp_path)
    refused(with_digest(archive_of(pickled)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": 10**400}, "a number in it is too large"),
        ({"a": {1, 2}}, "of type set"),
        ({"a": b"bytes"}, "cannot be loaded"),
        ({"a": torch.nn.Parameter(torch.ones(2))}, "of type Parameter"),
        ({"a": torch.ones(2).to_sparse()}, "not dense, contiguous and on the CPU"),
        ({"a": torch.ones(2, device="meta")}, "cannot be loaded"),
        ({"a": torch.ones(1).expand(10**12)}, "not dense, contiguous and on the CPU"),
        ({"a": torch.ones(1).expand(10**9, 10**9)}, "not dense, contiguous and on the CPU"),
        ({"a": torch.ones(2, 3).T}, "not dense, contiguous and on the CPU"),
    ],
    ids=str,
)
def test_values_of_other_types_are_refused(content, message):
    refused(seal(content), message)


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def doubling(levels):
    value = ["ha"]
    for _ in range(levels):
        value = [value, value]
    return {"a": value}


def circle():
    value = {}
    value["a"] = value
    return value


@pytest.mark.parametrize("content", [nested(50), doubling(15), doubling(60), circle()])
def test_deeply_or_endlessly_nested_values_are_refused(content):
    refused(seal(content), "nested too deeply, or too many")


def test_a_pickle_of_depth_100000_is_refused():
    deep = b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."
    refused(with_digest(archive_of(deep)), "nested too deep")


def test_too_many_references_to_one_value_are_refused():
    shared = list(range(2000))
    refused(seal({"a": [shared] * 2000}), "or too many")


# ---- files ------------------------------------------------------------------------------------


def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.pt")
    for path in (tmp_path, tmp_path / "pipe.pt"):
        with pytest.raises(CheckpointError, match="found no regular file"):
            open_sealed(path)


def test_an_oversized_file_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "a.pt"
    with path.open("wb") as file:
        file.truncate(checkpoint_file.MAX_BYTES + 1)  # a sparse file
    monkeypatch.setattr(type(path), "read_bytes", None)
    with pytest.raises(CheckpointError, match=r"a\.pt: has 2147483649 bytes; a checkpoint has at"):
        open_sealed(path)
