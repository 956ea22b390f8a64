"""Turn the historical indicators of sessions into the columns of a table."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from actors.domain.clock_grid import regular_minutes
from actors.domain.local_time import clock_text
from actors.domain.ports import Columns, Sparse
from actors.domain.session_plan import Session, SessionPlan
from protocol.blocks import as_floats
from protocol.messages import Figure

Texts: TypeAlias = npt.NDArray[np.str_]
_NO_TEXTS: Final = np.empty(0, dtype=np.str_)


class SessionFigures(NamedTuple):
    """What was computed for one session."""

    session: Session
    figures: tuple[Figure, ...]


def figure_rows(figures: Iterable[Figure]) -> int:
    """Count the rows that these take."""
    return sum(max(1, figure.values.n) for figure in figures)


def figure_columns(plan: SessionPlan, sessions: Sequence[SessionFigures]) -> Columns:
    """Give a row for every value, and one for every indicator that has none: null and the reason."""
    figures = [figure for entry in sessions for figure in entry.figures]
    rows = [max(1, figure.values.n) for figure in figures]
    dates = [entry.session.date for entry in sessions]
    return {
        "session": _repeated(dates, [figure_rows(entry.figures) for entry in sessions]),
        "symbol": _repeated([figure.symbol for figure in figures], rows),
        "indicator": _repeated([figure.key for figure in figures], rows),
        "field": _joined(map(_fields, figures)),
        "minute": _joined(_minutes(plan, sessions)),
        "value": Sparse(np.concatenate([np.empty(0), *map(_values, figures)])),
        "reason": _shared([figure.reason for figure in figures], rows),
    }


def _fields(figure: Figure) -> Texts:
    return np.array(figure.fields or ("",) * max(1, figure.values.n), dtype=np.str_)


def _minutes(plan: SessionPlan, sessions: Sequence[SessionFigures]) -> Iterator[Texts]:
    """Give for every figure the minutes of its values, as exchange clocks show them: `09:30`."""
    by_minute = {spec.key for spec in plan.historical if spec.by_minute}
    for session, figures in sessions:
        opens = regular_minutes(session).tolist() if by_minute else []
        shown = np.array([clock_text(open_ns, plan.timezone)[:5] for open_ns in opens], dtype=np.str_)
        for figure in figures:
            with_minutes = figure.key in by_minute and not figure.reason
            yield shown if with_minutes else np.full(max(1, figure.values.n), "")


def _values(figure: Figure) -> npt.NDArray[np.float64]:
    return np.array([np.nan]) if figure.reason else as_floats(figure.values)


def _repeated(texts: Sequence[str], counts: Sequence[int]) -> Texts:
    return np.repeat(np.array(texts, dtype=np.str_), np.array(counts, dtype=np.int64))


def _shared(texts: Sequence[str], counts: Sequence[int]) -> Texts | npt.NDArray[np.object_]:
    """Repeat texts that may be long without copying them."""
    return np.repeat(np.array(texts, dtype=np.object_), counts) if texts else _NO_TEXTS


def _joined(parts: Iterable[Texts]) -> Texts:
    return np.concatenate([_NO_TEXTS, *parts])
