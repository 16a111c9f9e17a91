"""Small C-MAPSS texts for the tests."""

import io
import zipfile
from collections.abc import Mapping


def row(unit: object, cycle: object, value: str = "1.5") -> str:
    """One row with all 24 measured columns equal, with NASA's trailing spaces."""
    return f"{unit} {cycle} " + " ".join([value] * 24) + "  \n"


def fleet_text(*lives: int, value: str = "1.5") -> str:
    """Rows of engines with the given numbers of cycles."""
    return "".join(
        row(unit, cycle, value)
        for unit, life in enumerate(lives, 1)
        for cycle in range(1, life + 1)
    )


def small_set(subset: str = "FD001", value: str = "1.5") -> dict[str, bytes]:
    """The three files of a subset with three test engines."""
    return {
        f"train_{subset}.txt": fleet_text(4, 3, value=value).encode(),
        f"test_{subset}.txt": fleet_text(2, 1, 2, value=value).encode(),
        f"RUL_{subset}.txt": b"112 \n98 \n69 \n",
    }


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Bytes of a zip archive of the files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()
