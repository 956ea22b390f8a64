import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.ending import Ending, Step
from actors.domain.roles import RoleError

MEMBERS = ("processor", "quality", "analysis-a")


@given(st.permutations(MEMBERS))
def test_in_whatever_order_members_leave_the_recorder_is_asked_after_the_last_of_them(
    order: list[str],
) -> None:
    ending = Ending(MEMBERS, "recorder")
    assert ending.advance() is Step.LEAVING
    for actor in order:
        assert ending.advance() is None
        ending.on_leave(actor)
    assert ending.advance() is Step.RECORDING
    assert ending.advance() is None
    ending.on_leave("recorder")
    assert ending.advance() is Step.OVER
    assert ending.advance() is None


@given(st.permutations(MEMBERS), st.integers(0, len(MEMBERS)))
def test_whenever_an_actor_is_dropped_the_end_comes_once_the_others_have_left(
    order: list[str], place: int
) -> None:
    ending = Ending(MEMBERS, "recorder")
    steps: list[Step | None] = []
    for turn, actor in enumerate(["", *order]):
        if turn == place:
            ending.drop("analysis-a")
        if turn == 0:
            steps.append(ending.advance())
        elif actor != "analysis-a" or turn < place:
            ending.on_leave(actor)
        steps.append(ending.advance())
    assert [step for step in steps if step is not None] == [Step.LEAVING, Step.RECORDING]
    ending.drop("analysis-a")
    ending.on_leave("recorder")
    assert ending.advance() is Step.OVER


@pytest.mark.parametrize("actor", ["processor", "recorder", "stranger"])
def test_nobody_may_leave_before_the_end(actor: str) -> None:
    with pytest.raises(RoleError, match=f"{actor} left before the run's end, or twice"):
        Ending(MEMBERS, "recorder").on_leave(actor)


@pytest.mark.parametrize("actor", ["processor", "recorder", "stranger"])
def test_who_is_not_asked_or_has_left_already_may_not_leave(actor: str) -> None:
    ending = Ending(MEMBERS, "recorder")
    ending.advance()
    ending.on_leave("processor")
    with pytest.raises(RoleError, match=actor):
        ending.on_leave(actor)


@pytest.mark.parametrize("actor", MEMBERS)
@pytest.mark.parametrize("step", [Step.RECORDING, Step.OVER])
def test_a_new_process_of_one_that_has_left_may_leave_again_and_holds_nobody_up(
    actor: str, step: Step
) -> None:
    ending = Ending(MEMBERS, "recorder")
    ending.advance()
    for member in MEMBERS:
        ending.on_leave(member)
    assert ending.advance() is Step.RECORDING
    if step is Step.OVER:
        ending.on_leave("recorder")
        assert ending.advance() is Step.OVER
    ending.admit(actor)
    ending.on_leave(actor)
    with pytest.raises(RoleError, match=actor):
        ending.on_leave(actor)
    if step is Step.RECORDING:
        ending.on_leave("recorder")
        assert ending.advance() is Step.OVER
