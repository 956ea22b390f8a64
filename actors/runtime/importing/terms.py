"""What has to be said about a file before its rows mean something. Nothing of it is guessed."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from actors.domain.errors import ConfigError, DataError, Problem
from actors.domain.intervals import NS_PER_S, STORED_INTERVALS, Interval
from actors.runtime.importing.reports import ImportSettings
from actors.runtime.importing.source import ImportRequest, SourceFormat, SourceRows

_READINGS: Final = 3
_CHOICE: Final = ", ".join(STORED_INTERVALS)


def check_request(path: Path, source: SourceFormat, settings: ImportSettings) -> None:
    """Check what is said about files, of which the first is `path`, before they are read.

    Raises ConfigError.
    """
    request = settings.request
    problems = (
        *_contradictions(source, request),
        *_zone_problems(request.timezone),
        *_interval_problems(request.interval),
        *_calendar_problems(settings),
    )
    if problems:
        raise ConfigError(path, problems)


def check_rows(path: Path, source: SourceFormat, settings: ImportSettings, rows: SourceRows) -> None:
    """Check that all is said that these rows need.

    Raises ConfigError where something is not said and DataError where no catalog holds such bars.
    """
    if rows.interval not in STORED_INTERVALS:
        raise DataError(f"{path}: holds {rows.interval} bars; a catalog takes {_CHOICE}")
    if not Interval.parse(rows.interval).is_intraday:
        _check_days(path, source, settings)
    elif (rows.label or source.label or settings.request.label) is None and len(rows.stamps):
        raise ConfigError(path, (label_problem(rows, ZoneInfo(settings.request.timezone or "UTC")),))


def label_problem(rows: SourceRows, zone: ZoneInfo | None) -> Problem:
    """Show what the first rows would be with either label; without a zone, by the file's own clock."""
    length = Interval.parse(rows.interval).length_ns
    lines = [
        f"row {rows.rows[at]}: {_span(stamp, length, zone)} with --label open, "
        f"{_span(stamp - length, length, zone)} with --label close"
        for at, stamp in enumerate(rows.stamps[:_READINGS].tolist())
    ]
    question = "the file does not say whether its times are those of the bars' open or close; say which"
    clock = zone.key if zone else "the file's clock"
    return Problem("--label", "\n    ".join([f"{question} (by {clock}):", *lines]))


def zone_problem(rows: SourceRows) -> Problem:
    """Show what the first rows' stamps, which are by the file's clock, would be in two zones."""
    lines = [
        f"row {rows.rows[at]} says {_clock(stamp, None)}: {_utc(stamp, 'UTC')} with --tz UTC, "
        f"{_utc(stamp, 'America/New_York')} with --tz America/New_York"
        for at, stamp in enumerate(rows.stamps[:_READINGS].tolist())
    ]
    question = "the file does not say in which time zone its times are; say which:"
    return Problem("--tz", "\n    ".join([question, *lines]))


def _span(open_ns: int, length_ns: int, zone: ZoneInfo | None) -> str:
    return f"{_clock(open_ns, zone)} to {_clock(open_ns + length_ns, zone)[-8:]}"


def _clock(stamp_ns: int, zone: ZoneInfo | None) -> str:
    return f"{datetime.fromtimestamp(stamp_ns // NS_PER_S, zone or UTC):%Y-%m-%d %H:%M:%S}"


def _utc(local_ns: int, zone: str) -> str:
    local = datetime.fromtimestamp(local_ns // NS_PER_S, UTC).replace(tzinfo=ZoneInfo(zone))
    return f"{local.astimezone(UTC):%H:%M:%S} UTC"


def _check_days(path: Path, source: SourceFormat, settings: ImportSettings) -> None:
    problems = []
    if settings.calendar is None:
        message = "a bar of a day opens and closes with its session; say whose, as in --calendar XNYS"
        problems.append(Problem("--calendar", message))
    if (source.timezone or settings.request.timezone) is None:
        problems.append(Problem("--tz", "a bar of a day is told by its date; say in which time zone"))
    if problems:
        raise ConfigError(path, tuple(problems))


def _contradictions(source: SourceFormat, request: ImportRequest) -> Iterator[Problem]:
    if source.label and request.label not in {None, source.label}:
        yield Problem("--label", f"{source.name} files are labelled by {source.label}; leave it out")
    if source.timezone and request.timezone not in {None, source.timezone}:
        yield Problem("--tz", f"{source.name} files are in {source.timezone}; leave it out")


def _zone_problems(timezone: str | None) -> Iterator[Problem]:
    try:
        ZoneInfo(timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield Problem("--tz", f"{timezone!r} is no time zone; name one such as America/New_York or UTC")


def _interval_problems(interval: str | None) -> Iterator[Problem]:
    if interval is not None and interval not in STORED_INTERVALS:
        yield Problem("--interval", f"a catalog does not take {interval!r}; it takes {_CHOICE}")


def _calendar_problems(settings: ImportSettings) -> Iterator[Problem]:
    interval = settings.request.interval
    if settings.calendar and interval in STORED_INTERVALS and Interval.parse(interval).is_intraday:
        yield Problem("--calendar", f"is for bars of a day, not for {interval}; leave it out")
