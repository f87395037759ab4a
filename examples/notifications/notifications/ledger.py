"""What was sent: a file of JSON lines that only grows.

In: notifications. Out: the moment at which each was sent, which is the first time that it came.
A line is on the disk before `record` returns. A last line that a crash cut short was never told to
anybody, and is removed. The ids of all lines are kept in memory.
"""

from __future__ import annotations

import fcntl
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from notifications.conversion import Notification


class LedgerError(Exception):
    """The file cannot be read or written; the service must not go on."""


class Lines:
    """A file of JSON lines with one writer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.found = self._read()
            _flush_folder(path.absolute().parent)
        except BlockingIOError as error:
            raise LedgerError(
                f"{path} is held by another process; stop that one first"
            ) from error
        except OSError as error:
            raise LedgerError(f"cannot open {path}: {error}") from error

    def append(self, line: dict[str, Any]) -> None:
        """Returns when the line is on the disk."""
        text = json.dumps(line, ensure_ascii=False) + "\n"
        try:
            _write_all(self._file, text.encode())
            os.fsync(self._file)
        except OSError as error:
            raise LedgerError(f"cannot write {self._path}: {error}") from error

    def close(self) -> None:
        """Gives the file up, also to another process."""
        os.close(self._file)

    def _read(self) -> list[dict[str, Any]]:
        with open(self._path, "rb") as file:
            content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(self._file, whole)
        found = []
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            try:
                found.append(json.loads(line))
            except ValueError as error:
                raise LedgerError(
                    f"{self._path}, line {number} is no JSON: {error}; repair it"
                ) from error
        return found


class Ledger:
    """What was sent, each notification once."""

    def __init__(self, path: Path) -> None:
        self._lines = Lines(path)
        self._sent = {
            line["id"]: datetime.fromisoformat(line["sent"])
            for line in self._lines.found
        }

    def record(self, notification: Notification, now: datetime) -> datetime:
        """When it was sent: now, or when it first came."""
        before = self._sent.get(notification.id)
        if before is not None:
            return before
        self._lines.append(
            {
                "id": notification.id,
                "order": notification.order,
                "outcome": notification.outcome,
                "text": notification.text,
                "cause": notification.cause.get_id(),
                "sent": now.isoformat(),
            }
        )
        self._sent[notification.id] = now
        return now

    def close(self) -> None:
        """Gives the file up, also to another process."""
        self._lines.close()


def _write_all(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]


def _flush_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
