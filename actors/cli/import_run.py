"""Carry out `sessionflow data import` and say what came of it."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from actors.domain.calendar_table import CalendarError, CalendarTable
from actors.domain.errors import ConfigError, DataError, Problem
from actors.domain.intervals import NS_PER_S
from actors.domain.printing import printable
from actors.runtime.calendars import Calendars
from actors.runtime.clock import now_utc
from actors.runtime.importing import source_format
from actors.runtime.importing.importer import import_files
from actors.runtime.importing.reports import FileReport, ImportSettings, StreamReport
from actors.runtime.importing.source import ImportRequest
from actors.runtime.store.merging import Conflict


def run_import(files: Sequence[Path], format_name: str, said: Mapping[str, Any], *, as_json: bool) -> None:
    """Import files as the options say, and report.

    Raises ConfigError and DataError.
    """
    settings = _settings(said)
    try:
        reports = import_files(files, source_format(format_name), settings)
    except OSError as error:
        raise DataError(
            f"{error.filename or settings.catalog}: cannot be used ({error.strerror}); "
            "check its rights, or choose another --catalog"
        ) from error
    for line in _json_lines(reports) if as_json else _lines(reports):
        click.echo(printable(line))


def _settings(said: Mapping[str, Any]) -> ImportSettings:
    return ImportSettings(
        catalog=said["catalog"],
        request=ImportRequest(said["symbol"], said["interval"], said["label"], said["timezone"]),
        on_defect=said["on_defect"],
        adjustment=said["adjustment"],
        calendar=_calendar(said["calendar"]),
    )


def _calendar(name: str | None) -> CalendarTable | None:
    if name is None:
        return None
    try:
        return Calendars().table(name, now_utc().date())
    except CalendarError as error:
        raise ConfigError(None, (Problem("--calendar", str(error)),)) from error


def _json_lines(reports: tuple[FileReport, ...]) -> Iterator[str]:
    files = [_plain(report) for report in reports]
    yield json.dumps({"files": files}, indent=2)


def _plain(report: FileReport) -> dict[str, Any]:
    plain = dataclasses.asdict(report)
    for stream, of_report in zip(plain["streams"], report.streams, strict=True):
        stream["conflicts"] = [conflict._asdict() for conflict in of_report.conflicts]
    return plain


def _lines(reports: tuple[FileReport, ...]) -> Iterator[str]:
    for report in reports:
        for stream in report.streams:
            yield from _stream_lines(report.path, stream)
        if report.quarantine:
            yield f"{report.path}: {report.quarantined:,} rows put aside in {report.quarantine}"


def _stream_lines(path: str, stream: StreamReport) -> Iterator[str]:
    span = f"{_utc(stream.first_open_ns)} to {_utc(stream.last_open_ns)}"
    yield (
        f"{path}: {stream.symbol} {stream.interval}, {stream.rows:,} rows that open {span}: "
        f"{stream.added:,} new, {stream.known:,} known, {stream.changed:,} changed"
    )
    for count, what in _remarks(stream):
        if count:
            yield f"  {count:,} {what}"
    yield from (f"  {_conflict(conflict)}" for conflict in stream.conflicts)


def _remarks(stream: StreamReport) -> tuple[tuple[int, str], ...]:
    return (
        (stream.repeated, "stand before another row of the same time, which was taken"),
        (stream.unsorted, "stand behind a row that opens later; they were sorted in"),
        (stream.off_grid, f"open at no multiple of {stream.interval}; a run will report and reject them"),
    )


def _conflict(conflict: Conflict) -> str:
    return f"{_utc(conflict.open_ts)}: {conflict.column} {conflict.stored} is now {conflict.imported}"


def _utc(stamp_ns: int) -> str:
    return f"{datetime.fromtimestamp(stamp_ns // NS_PER_S, UTC):%Y-%m-%d %H:%M:%S}Z"
