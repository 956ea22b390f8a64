"""The stretches of a session that are judged apart: before, within and after its regular hours."""

from functools import lru_cache
from itertools import groupby
from operator import attrgetter

import msgspec

from actors.domain.session_plan import Hours, Session

_KIND = attrgetter("kind")


@lru_cache(maxsize=32)
def stretches(session: Session) -> tuple[Session, ...]:
    """Give the stretches in their order, each as a session of its own; a lunch break divides none.

    A session of regular hours is its only stretch.
    """
    groups = [tuple(parts) for _, parts in groupby(session.parts, key=_KIND)]
    return tuple(_stretch(session, parts) for parts in groups) if groups[1:] else (session,)


def _stretch(session: Session, parts: tuple[Hours, ...]) -> Session:
    return msgspec.structs.replace(
        session, open_ns=parts[0].open_ns, close_ns=parts[-1].close_ns, parts=parts
    )
