"""Import files into a catalog: read all of them, refuse or quarantine what is faulty, then merge."""

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from actors.domain.errors import DataError
from actors.runtime.importing.fault_lists import FirstFaults, Quarantine
from actors.runtime.importing.intake import Intake, IntakeRules
from actors.runtime.importing.placement import SessionDays
from actors.runtime.importing.reports import FileReport, ImportSettings
from actors.runtime.importing.source import SourceFormat, SourceRows
from actors.runtime.importing.staging import Staging
from actors.runtime.importing.storing import check_adjustment, store_file
from actors.runtime.importing.terms import check_request, check_rows
from actors.runtime.store.merging import writing_alone

_MAX_SYMBOLS: Final = 12


def import_files(
    paths: Sequence[Path], source: SourceFormat, settings: ImportSettings
) -> tuple[FileReport, ...]:
    """Import files in the given order, of which a later one wins.

    Nothing is stored unless all of them can be read and none is refused. Raises ConfigError where something
    has to be said about a file first, DataError where a file or the catalog cannot be used, and OSError where
    nothing can be written.
    """
    check_request(paths[0], source, settings)
    with Staging() as staging, ExitStack() as leftovers:
        importer = _Importer(source, settings, staging, leftovers)
        files = [importer.read(number, path) for number, path in enumerate(paths)]
        _refuse_faulty(files)
        with writing_alone(settings.catalog):
            check_adjustment(staging, settings)
            return tuple(importer.store(file) for file in files)


@dataclass
class _File:
    """A file that is read."""

    path: Path
    sha256: str
    intake: Intake
    quarantine: Quarantine | None
    faults: FirstFaults
    others: set[str] = field(default_factory=set)
    """Symbols that it holds and nobody asked for."""

    def take(self, rows: SourceRows, wanted: str | None) -> None:
        """Take rows, unless they are of another symbol."""
        if wanted is None or rows.symbol == wanted:
            self.intake.take(rows)
        else:
            self.others.add(rows.symbol)

    def check_held(self, wanted: str | None) -> None:
        """Make sure that the file held something.

        Raises DataError.
        """
        if any(tally.rows for tally in self.intake.tallies.values()) or self.intake.faults.count:
            return
        if not self.others:
            raise DataError(f"{self.path}: holds no rows; export it again")
        names = sorted(self.others)
        more = f" and {len(names) - _MAX_SYMBOLS} more" if len(names) > _MAX_SYMBOLS else ""
        raise DataError(
            f"{self.path}: holds no bars of {wanted}, but of {', '.join(names[:_MAX_SYMBOLS])}{more}"
        )


class _Importer:
    """The steps of one import."""

    def __init__(
        self, source: SourceFormat, settings: ImportSettings, staging: Staging, leftovers: ExitStack
    ) -> None:
        self._source = source
        self._settings = settings
        self._staging = staging
        self._leftovers = leftovers

    def read(self, number: int, path: Path) -> _File:
        """Read a file to its end and stage what is good in it."""
        file = self._opened(number, path)
        request = self._settings.request
        for rows in self._source.read(path, request):
            check_rows(path, self._source, self._settings, rows)
            file.take(rows, request.symbol)
        file.check_held(request.symbol)
        return file

    def store(self, file: _File) -> FileReport:
        """Merge what is staged of a file, and give its faulty rows their place."""
        quarantine = file.quarantine if file.quarantine and file.quarantine.count else None
        if quarantine:
            quarantine.finish()
        tallies = file.intake.tallies
        streams = store_file(file.intake.number, self._staging, tallies, self._settings, self._record(file))
        return FileReport(
            path=str(file.path),
            sha256=file.sha256,
            quarantined=quarantine.count if quarantine else 0,
            quarantine=str(quarantine.path) if quarantine else None,
            streams=tuple(streams),
        )

    def _opened(self, number: int, path: Path) -> _File:
        settings, source, request = self._settings, self._source, self._settings.request
        digest = _digest(path)
        faults = FirstFaults()
        quarantine = None
        if settings.on_defect == "quarantine":
            quarantine = Quarantine(settings.catalog / "quarantine" / f"{path.name}-{digest[:12]}.csv")
            self._leftovers.callback(quarantine.discard)
        days = None
        if settings.calendar:
            days = SessionDays(settings.calendar, ZoneInfo(source.timezone or request.timezone or "UTC"))
        rules = IntakeRules(source.label or request.label or "open", days, sorts=quarantine is not None)
        intake = Intake(number, rules, self._staging, quarantine or faults)
        return _File(path, digest, intake, quarantine, faults)

    def _record(self, file: _File) -> dict[str, Any]:
        """Say in the catalog where rows are from."""
        return {
            "source": file.path.name,
            "sha256": file.sha256,
            "format": self._source.name,
            "label": file.intake.label,
            "timezone": self._source.timezone or self._settings.request.timezone or "UTC",
            "adjustment": self._settings.adjustment,
            "version": version("sessionflow"),
        }


def _refuse_faulty(files: Sequence[_File]) -> None:
    """Show the first faulty rows of each file.

    Raises DataError where there are any.
    """
    faulty = [file for file in files if file.faults.count]
    if faulty:
        shown = [
            f"{file.path}: {_rows(file.faults.count)} cannot be taken\n{file.faults.text()}"
            for file in faulty
        ]
        advice = "nothing was imported; correct the rows, or take the others with --on-defect quarantine"
        raise DataError("\n".join([*shown, advice]))


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _digest(path: Path) -> str:
    """Give the SHA-256 of a file, or of the names and digests of all files in a folder.

    Raises DataError where it cannot be read.
    """
    try:
        if not path.is_dir():
            return _file_digest(path)
        files = sorted(file for file in path.rglob("*") if file.is_file())
        listing = "".join(f"{_file_digest(file)}  {file.relative_to(path).as_posix()}\n" for file in files)
    except OSError as error:
        reason = f"cannot be read ({error.strerror}); check the file's name and rights"
        raise DataError(f"{path}: {reason}") from error
    return hashlib.sha256(listing.encode()).hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
