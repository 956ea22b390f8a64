"""What a catalog holds, and what a check of it finds, as JSON documents.

That of a check is written while it is found, a line for each session, so that it may be as long as it likes.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from actors.domain.check_request import CheckRequest
from actors.domain.intervals import NS_PER_S
from actors.domain.local_time import local_stamp
from actors.domain.quality_ledger import COUNTED, rounded_score
from actors.runtime.store import StreamHolding
from actors.runtime.store.merging import IMPORTS
from actors.supervisor.check_tally import CheckTally, StreamTotals
from actors.supervisor.data_check import SessionVerdict, StreamCheck, Unchecked
from protocol.messages import Defect, Gap

CHECK_VERSION: Final = 1
HOLDINGS_VERSION: Final = 1
_NEXT: Final = ",\n"
Json = dict[str, Any]


class CheckDocument:
    """Write sessions as they come, and the totals at the end."""

    def __init__(self, request: CheckRequest, tally: CheckTally, write: Callable[[str], object]) -> None:
        """Write nothing yet; `tally` is told what comes too, and gives the totals."""
        self._tally = tally
        self._write = write
        head = _text({"version": CHECK_VERSION, **_asked(request)}).removesuffix("}")
        self._opening = f'{head}, "sessions": [\n'

    def add(self, check: StreamCheck, verdict: SessionVerdict) -> None:
        """Write a session, with all its gaps and defects."""
        self._tally.add(check, verdict)
        self._write(self._opening + _text(_session(check, verdict)))
        self._opening = _NEXT

    def leave_out(self, unchecked: Unchecked) -> None:
        """Keep a stream that cannot be judged for the end."""
        self._tally.leave_out(unchecked)

    def close(self) -> None:
        """Write what all sessions came to."""
        streams = [_totals(totals) for totals in self._tally.streams]
        unchecked = [entry._asdict() for entry in self._tally.unchecked]
        opening = "" if self._opening == _NEXT else self._opening
        self._write(f'{opening}\n], "streams": {_text(streams)}, "unchecked": {_text(unchecked)}}}\n')


def _asked(request: CheckRequest) -> Json:
    """Say what the bars were judged by."""
    file = request.corporate_actions
    return {
        "catalog": str(request.catalog),
        "corporate_actions": None if file is None else str(file),
        "extended_hours": request.extended_hours,
        "align": request.align,
    }


def holdings_document(catalog: Path, holdings: Iterable[StreamHolding]) -> Json:
    """Say what a catalog holds."""
    streams = [_holding(holding) for holding in holdings]
    return {"version": HOLDINGS_VERSION, "catalog": str(catalog), "streams": streams}


def utc_text(instant_ns: int) -> str:
    """Write 2025-07-02T15:15:00Z, with fractions of a second where there are any."""
    unit = "ns" if instant_ns % NS_PER_S else "s"
    return f"{np.datetime_as_string(np.datetime64(instant_ns, 'ns'), unit=unit)}Z"  # type: ignore[call-overload]


def _holding(holding: StreamHolding) -> Json:
    first, last = holding.first_ns, holding.last_ns
    return {
        "symbol": holding.symbol,
        "interval": holding.interval,
        "first": None if first is None else utc_text(first),
        "last": None if last is None else utc_text(last),
        "rows": holding.rows,
        "files": holding.files,
        "size_bytes": holding.size_bytes,
        "synthetic": holding.note("synthetic") == "true",
        "imports": list(_imports(holding)),
        "metadata": {name: values for name, values in holding.notes.items() if name != IMPORTS},
        "damage": holding.damage,
    }


def _imports(holding: StreamHolding) -> Iterator[Json]:
    """Give the records of all imports; what somebody else keeps under that name is none."""
    for text in holding.notes.get(IMPORTS, ()):
        try:
            yield from msgspec.json.decode(text, type=list[Json])
        except msgspec.MsgspecError:
            continue


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _session(check: StreamCheck, verdict: SessionVerdict) -> Json:
    quality, zone = verdict.quality, check.table.timezone
    return {
        "symbol": check.symbol,
        "interval": check.interval,
        "date": verdict.session.date,
        "kind": verdict.session.kind,
        "rows": verdict.rows,
        "expected": quality.expected,
        "delivered": quality.received,
        **{name: getattr(quality, name) for name in COUNTED},
        "score": rounded_score(quality.expected, quality.missing),
        "gaps": [_gap(gap, zone) for gap in verdict.gaps],
        "defects": [_defect(defect, zone) for defect in verdict.defects],
    }


def _gap(gap: Gap, timezone: str) -> Json:
    return {
        "from": utc_text(gap.from_ts),
        "to": utc_text(gap.to_ts),
        "from_local": local_stamp(gap.from_ts, timezone),
        "to_local": local_stamp(gap.to_ts, timezone),
        "count": gap.count,
    }


def _defect(defect: Defect, timezone: str) -> Json:
    return {
        "kind": defect.kind,
        "open": utc_text(defect.open_ts),
        "open_local": local_stamp(defect.open_ts, timezone),
        "file": defect.file,
        "row": defect.row,
        "rows": defect.rows,
        "detail": defect.detail,
    }


def _totals(totals: StreamTotals) -> Json:
    check = totals.check
    return {
        "symbol": check.symbol,
        "interval": check.interval,
        "calendar": check.table.name,
        "timezone": check.table.timezone,
        "first": str(check.first),
        "last": str(check.last),
        "sessions": totals.sessions,
        "stored_rows": check.stored_rows,
        "rows": totals.rows,
        "expected": totals.expected,
        "delivered": totals.delivered,
        **totals.counted,
        "score": totals.rounded_score,
        "gaps": totals.gaps,
    }
