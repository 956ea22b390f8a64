"""Whether what is stored is good enough to start with."""

import shlex
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from actors.config import SessionConfig
from actors.domain.errors import DataError
from actors.domain.ports import BarSource
from actors.domain.quality_ledger import rounded_score, score
from actors.domain.session_plan import Session, Stream
from actors.supervisor.data_check import judge
from actors.supervisor.wording import listed

_STREAMS_SHOWN: Final = 20
_SESSIONS_SHOWN: Final = 3


class _SessionScore(NamedTuple):
    """One session of one stream."""

    score: float
    date: str
    expected: int
    missing: int


class _Low(NamedTuple):
    """A stream below the bound."""

    stream: Stream
    sessions: tuple[_SessionScore, ...]

    def __str__(self) -> str:
        """Name the stream, its score and its worst sessions."""
        worst = sorted(session for session in self.sessions if session.missing)
        days = [f"{day.date} {rounded_score(day.expected, day.missing):.2f}" for day in worst]
        total = rounded_score(*_sums(self.sessions))
        shown = listed(days, _SESSIONS_SHOWN)
        return f"{self.stream.symbol} {self.stream.interval}: {total:.2f}, worst {shown}"


def check_quality(
    config: SessionConfig,
    source: BarSource,
    streams: Iterable[Stream],
    sessions: tuple[Session, ...],
    before: Session | None,
) -> tuple[str, ...]:
    """Judge the run's sessions where `quality.min_score` is set; give a warning for every stream below it.

    Raises DataError in place of warnings, unless they are what the configuration asks for.
    """
    min_score = config.quality.min_score
    if min_score is None:
        return ()
    judged = (
        _Low(stream, tuple(_scores(source, stream, sessions, before, config.quality.jump_ratio)))
        for stream in streams
        if stream.label == "STREAMED"
    )
    low = [entry for entry in judged if score(*_sums(entry.sessions)) < min_score]
    if low and config.quality.on_low_score == "fail":
        raise DataError(_refusal(config, low, sessions))
    return tuple(f"stored data are below quality.min_score {min_score:g}: {entry}" for entry in low)


def _scores(
    source: BarSource,
    stream: Stream,
    sessions: tuple[Session, ...],
    before: Session | None,
    jump_ratio: float,
) -> Iterator[_SessionScore]:
    for verdict in judge(source, stream, sessions, before, jump_ratio):
        quality = verdict.quality
        if stream.is_read_in(verdict.session.index):
            yield _SessionScore(quality.score, verdict.session.date, quality.expected, quality.missing)


def _sums(sessions: Iterable[_SessionScore]) -> tuple[int, int]:
    known = tuple(sessions)
    return sum(day.expected for day in known), sum(day.missing for day in known)


def _refusal(config: SessionConfig, low: list[_Low], sessions: tuple[Session, ...]) -> str:
    lines = [f"\n  {entry}" for entry in low[:_STREAMS_SHOWN]]
    if len(low) > _STREAMS_SHOWN:
        lines.append(f"\n  and {len(low) - _STREAMS_SHOWN} more streams")
    return (
        f"{config.catalog_path}: the stored data are below quality.min_score {config.quality.min_score:g}:"
        f"{''.join(lines)}\n"
        f"See what is wrong with `{_command(config, low[0].stream, sessions)}` and import the bars again, "
        'lower quality.min_score, or set quality.on_low_score to "warn"'
    )


def _command(config: SessionConfig, stream: Stream, sessions: tuple[Session, ...]) -> str:
    options = {
        "--catalog": str(config.catalog_path),
        "--calendar": config.calendar,
        "--symbol": stream.symbol,
        "--interval": stream.interval,
        "--start": sessions[0].date,
        "--end": sessions[-1].date,
    }
    if config.corporate_actions_path is not None:
        options["--corporate-actions"] = str(config.corporate_actions_path)
    words = [word for option in options.items() for word in option]
    words += ["--extended-hours"] * config.session_data_config.extended_hours
    words += ["--align", "clock"] * (config.derived.align == "clock")
    return shlex.join(["sessionflow", "data", "check", *words])
