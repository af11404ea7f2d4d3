"""Files that are whole at any time: a reader, or a later run, sees the old one or the new one, never a part."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def whole(path: Path, mode: str = "w") -> Iterator[IO]:
    """A draft beside the file that takes its place once it is on the disk; it is removed if anything goes wrong."""
    draft = path.with_name(f".{path.name}.part")
    try:
        with open(draft, mode, **({} if "b" in mode else {"encoding": "utf-8"})) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def append_rows(path: Path, rows: list[list]) -> None:
    """Add rows to a CSV file in one piece: if there is no room for all of them (OSError), none is there."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    data = text.getvalue().encode()
    with open(path, "ab", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        try:
            while data:
                data = data[file.write(data):]
        except OSError as error:
            file.truncate(before)
            raise OSError(error.errno, error.strerror, str(path)) from None
