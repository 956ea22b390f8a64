"""What the supervisor has decided after several events, one after the other."""

from collections.abc import Iterable

from actors.supervisor.decisions import decide
from actors.supervisor.events import Action, Event
from actors.supervisor.run_state import State


def after(state: State, events: Iterable[Event]) -> tuple[State, list[Action]]:
    """Give the state after the events, and all actions on the way."""
    actions: list[Action] = []
    for event in events:
        state, more = decide(state, event)
        actions += more
    return state, actions
