"""From which stored interval each streamed one has its missing bars rebuilt, where the configuration asks."""

from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from actors.config import SessionConfig
from actors.domain.gap_filling import gap_source
from actors.domain.intervals import Interval
from actors.domain.session_plan import Stream
from actors.supervisor.wording import listed


def with_gap_sources(
    config: SessionConfig, streams: tuple[Stream, ...], stored: Mapping[str, Collection[Interval]]
) -> tuple[Stream, ...]:
    """Name the source of every STREAMED stream that has one; change nothing where nothing is to be filled."""
    if not config.session_data_config.gap_filler.enabled:
        return streams
    return tuple(_with_source(stream, stored[stream.symbol]) for stream in streams)


def gap_source_warnings(config: SessionConfig, streams: Iterable[Stream]) -> Iterator[str]:
    """Name the streams whose missing bars cannot be rebuilt though the configuration asks for it."""
    if not config.session_data_config.gap_filler.enabled:
        return
    without: dict[str, list[str]] = {}
    for stream in streams:
        if stream.label == "STREAMED" and not stream.filled_from:
            without.setdefault(stream.interval, []).append(stream.symbol)
    for interval, symbols in without.items():
        yield (
            f"gap_filler: nothing finer than {interval} is stored for {listed(symbols)}, "
            "missing bars stay missing"
        )


def _with_source(stream: Stream, stored: Collection[Interval]) -> Stream:
    source = gap_source(Interval.parse(stream.interval), stored) if stream.label == "STREAMED" else None
    if source is None:
        return stream
    reason = f"{stream.reason}; missing bars are rebuilt from {source}"
    return msgspec.structs.replace(stream, filled_from=str(source), reason=reason)
