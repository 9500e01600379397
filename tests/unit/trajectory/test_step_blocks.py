"""Steps in blocks and in strips: a letter each, capital where a call failed, equal numbers for equal steps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.sessions.event import Event
from app.trajectory.analysis.step_blocks import BLOCK_STEPS, StepPacker, symbol, unpack
from app.trajectory.analysis.strips import strips_of
from app.trajectory.events.steps import step_of, steps_of
from tests.unit.trajectory.sessions import call, numbered, prompt, reply


def packed(count: int) -> StepPacker:
    packer = StepPacker()
    for step in steps_of(numbered([call(seq, code=seq % 2) for seq in range(1, count + 1)])):
        packer.add(step)
    return packer


def test_a_long_session_has_full_blocks_and_a_last_one() -> None:
    blocks = packed(2 * BLOCK_STEPS + 3).take()
    assert [(each.number, len(each.phases), len(each.symbols)) for each in blocks] == [(0, 256, 2048), (1, 256, 2048), (2, 3, 24)]
    assert blocks[0].phases[:4] == "RrRr"


@given(st.integers(1, 600), st.integers(0, 600))
def test_packing_goes_on_within_a_block(count: int, cut: int) -> None:
    cut = min(cut, count)
    whole = {each.number: each for each in packed(count).take()}
    begun, resumed = packed(cut), StepPacker()
    stored = {each.number: each for each in begun.take()}
    resumed.resume(stored.get(cut // BLOCK_STEPS), cut)
    for step in steps_of(list(numbered([call(seq, code=seq % 2) for seq in range(1, count + 1)]))[cut:]):
        resumed.add(step)
    assert stored | {each.number: each for each in resumed.take()} == whole


def test_equal_calls_with_equal_results_have_one_symbol_and_others_have_not() -> None:
    def of(event: Event) -> int:
        return symbol(step_of(1, event))

    assert of(call(1, "make build", "ok")) == of(call(7, "make build", "ok"))
    assert (
        len({of(call(1, "make build", "ok")), of(call(1, "make build", "no")), of(call(1, "make", "ok")), of(prompt(1)), of(reply(1))}) == 5
    )
    packer = StepPacker()
    packer.add(step_of(1, call(1, "make build", "ok")))
    assert list(unpack(packer.take()[0].symbols)) == [of(call(1, "make build", "ok"))]


@given(st.integers(1, 700), st.integers(1, 700), st.integers(1, 700), st.integers(1, 50))
def test_strips_hold_each_step_of_a_stretch_once(count: int, first: int, last: int, most: int) -> None:
    first, last = sorted((min(first, count), min(last, count)))
    blocks = [each for each in packed(count).take() if (first - 1) // BLOCK_STEPS <= each.number <= (last - 1) // BLOCK_STEPS]
    strips = strips_of(blocks, first=first, last=last, most=most)
    assert len(strips) <= most
    assert [strip.first for strip in strips] == [first, *(strip.last + 1 for strip in strips[:-1])]
    assert strips[-1].last == last
    assert sum(sum(strip.phases.values()) for strip in strips) == last - first + 1
