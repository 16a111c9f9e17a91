"""Names of the subsets, the columns and the files of C-MAPSS."""

from typing import Literal

SubsetName = Literal["FD001", "FD002", "FD003", "FD004"]
FileKind = Literal["train", "test", "RUL"]

SUBSETS: tuple[SubsetName, ...] = ("FD001", "FD002", "FD003", "FD004")
SETTINGS: tuple[str, ...] = tuple(f"setting_{i}" for i in range(1, 4))
SENSORS: tuple[str, ...] = tuple(f"sensor_{i}" for i in range(1, 22))
COLUMNS: tuple[str, ...] = SETTINGS + SENSORS
"""The 24 measured columns in the order of the files, after unit and cycle."""

LITERATURE_SENSORS: tuple[str, ...] = tuple(
    f"sensor_{i}" for i in (2, 3, 4, 7, 8, 9, 11, 12, 13, 14, 15, 17, 20, 21)
)
"""The 14 sensors that most papers keep: those that vary in FD001."""

CONDITIONS: dict[SubsetName, int] = {"FD001": 1, "FD002": 6, "FD003": 1, "FD004": 6}
FAULTS: dict[SubsetName, int] = {"FD001": 1, "FD002": 1, "FD003": 2, "FD004": 2}


def file_name(kind: FileKind, subset: SubsetName) -> str:
    """Name of one of a subset's three files.

    >>> file_name("RUL", "FD003")
    'RUL_FD003.txt'
    """
    return f"{kind}_{subset}.txt"


def subset_of(name: str) -> str:
    """Name of the subset that a file belongs to.

    >>> subset_of("RUL_FD003.txt")
    'FD003'
    """
    return name.removesuffix(".txt").rpartition("_")[2]
