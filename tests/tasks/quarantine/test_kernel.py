import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.errors import ArtifactError
from lakebed.tasks.quarantine.kernel import (
    INTERRUPTED,
    Event,
    Phase,
    Step,
    advance,
    allowed_steps,
    live,
    replay,
)


def events(*steps, entry="e", **facts):
    return [Event(number, f"t{number}", entry, step, facts if not number else {}) for number, step in enumerate(steps)]


def test_there_and_back():
    states = replay(events(Step.SET_ASIDE_BEGUN, Step.SET_ASIDE_COPIED, Step.SET_ASIDE, table="a", plan_id="p"))
    assert states["e"].phase is Phase.SET_ASIDE
    assert (states["e"].table, states["e"].plan_id, states["e"].since) == ("a", "p", "t2")
    assert live(states) == (states["e"],)
    states = replay(
        events(
            Step.SET_ASIDE_BEGUN, Step.SET_ASIDE_COPIED, Step.SET_ASIDE,
            Step.RESTORE_BEGUN, Step.RESTORE_COPIED, Step.RESTORED, table="a",
        )
    )  # fmt: skip
    assert states["e"].phase is Phase.AT_PLACE
    assert live(states) == ()


def test_copied_counts_for_the_move_under_way_only():
    state = None
    seen = []
    for event in events(
        Step.SET_ASIDE_BEGUN, Step.SET_ASIDE_COPIED, Step.RESTORE_BEGUN, Step.RESTORE_COPIED, Step.RESTORED
    ):
        state = advance(state, event)
        seen.append(state.is_copied)
    assert seen == [False, True, False, True, False]


@pytest.mark.parametrize(
    "steps",
    [
        (Step.SET_ASIDE,),
        (Step.PURGE_BEGUN,),
        (Step.SET_ASIDE_BEGUN, Step.PURGE_BEGUN),
        (Step.SET_ASIDE_BEGUN, Step.SET_ASIDE, Step.SET_ASIDE_BEGUN),
        (Step.SET_ASIDE_BEGUN, Step.SET_ASIDE, Step.PURGE_BEGUN, Step.PURGED, Step.RESTORE_BEGUN),
    ],
)
def test_a_journal_out_of_order_is_refused(steps):
    with pytest.raises(ArtifactError, match="out of order") as caught:
        replay(events(*steps))
    assert str(steps[-1]) in caught.value.value


@given(st.data())
def test_from_everywhere_there_is_a_way_back_to_the_place(data):
    """Whatever happens, no purge step without PURGE_BEGUN, and every phase can reach AT_PLACE."""
    state, seen = None, []
    for number in range(data.draw(st.integers(1, 12))):
        phase = Phase.AT_PLACE if state is None else state.phase
        step = data.draw(st.sampled_from(allowed_steps(phase)))
        seen.append(step)
        state = advance(state, Event(number, "t", "e", step, {}))
        assert state.is_interrupted == (state.phase in INTERRUPTED)
    if state.phase is Phase.PURGED:
        assert Step.PURGE_BEGUN in seen
    reached, todo = set(), [state.phase]
    while todo:
        phase = todo.pop()
        for step in allowed_steps(phase):
            after = advance(
                None if phase is Phase.AT_PLACE else state.__class__("e", "", "", phase, False, "", {}),
                Event(0, "t", "e", step, {}),
            ).phase
            if after not in reached:
                reached.add(after)
                todo.append(after)
    assert Phase.AT_PLACE in reached
