"""How many requests go out at once, and when: against a simulated server and a clock that tests move."""

import asyncio
import random

import pytest

from curation.pacing import START, Gate, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def fill(pace: Pace) -> int:
    """Starts as many requests as the pace lets out now; how many there were."""
    started = 0
    while pace.wait(1) == 0.0:
        pace.start(1)
        started += 1
    return started


def round_trip(pace: Pace, slots: int) -> int:
    """A round trip at a server that holds `slots` at once and turns the rest away; how many it turned away."""
    refused = 0
    fill(pace)
    for _ in range(pace.in_flight):
        while pace.in_flight > slots:
            pace.refuse(1.0)
            refused += 1
            fill(pace)
        pace.succeed()
        fill(pace)
    return refused


def test_it_starts_small_and_doubles_a_round_trip_up_to_the_most() -> None:
    pace = Pace(4 * START)
    sizes = [fill(pace)]
    for _ in range(3):
        round_trip(pace, slots=1000)
        sizes.append(pace.in_flight)
    assert sizes == [START, 2 * START, 4 * START, 4 * START]


def test_a_small_most_is_never_passed() -> None:
    pace = Pace(3)
    for _ in range(5):
        assert fill(pace) <= 3
        pace.succeed()
    assert pace.in_flight == 2


def test_refusals_at_random_do_not_slow_it_down() -> None:
    pace, draw = Pace(64), random.Random(0)
    for _ in range(3000):
        fill(pace)
        if draw.random() < 0.1:
            pace.refuse(1.0)
        else:
            pace.succeed()
    assert pace.limit >= 60


def test_many_refusals_bring_it_down_to_what_the_server_holds() -> None:
    pace = Pace(256)
    refused = sum(round_trip(pace, 32) for _ in range(4))
    assert 30 <= pace.limit <= 34
    assert refused < 60


def test_while_it_is_saturated_it_probes_with_about_one_request_a_round_trip() -> None:
    pace = Pace(256)
    for _ in range(4):
        round_trip(pace, 32)
    refused = sum(round_trip(pace, 32) for _ in range(50))
    assert refused <= 60
    assert 30 <= pace.limit <= 34


def test_a_server_that_grows_is_used_again() -> None:
    pace = Pace(256)
    for _ in range(6):
        round_trip(pace, 32)
    for _ in range(20):
        round_trip(pace, 1000)
    assert pace.limit == 256


def test_few_requests_do_not_earn_the_right_to_send_many() -> None:
    pace = Pace(256)
    for _ in range(1000):
        pace.start(1)
        pace.succeed()
    assert pace.limit == START


def test_where_nothing_is_served_any_more_it_waits_as_long_as_it_was_told() -> None:
    clock = Clock()
    pace = Pace(64, clock=clock)
    fill(pace)
    for _ in range(START):
        pace.refuse(7.0)
    assert pace.wait(1) == 7.0
    clock.now += 7.0
    assert fill(pace) == 1


def test_an_ended_request_says_nothing_about_the_load() -> None:
    pace = Pace(256)
    for _ in range(5):
        fill(pace)
        for _ in range(pace.in_flight):
            pace.end()
    assert pace.limit == START


def test_requests_per_minute_are_never_passed_and_nearly_reached() -> None:
    clock = Clock()
    pace, sent = Pace(64, requests_per_minute=120, clock=clock), 0
    for _ in range(600):
        started = fill(pace)
        sent += started
        for _ in range(started):
            pace.succeed()
        clock.now += 0.1
    assert 115 <= sent <= 122


def test_tokens_per_minute_are_never_passed_and_nearly_reached() -> None:
    clock = Clock()
    pace, tokens = Pace(64, tokens_per_minute=60_000, clock=clock), 0
    for _ in range(600):
        while pace.wait(500) == 0.0:
            pace.start(500)
            pace.succeed()
            tokens += 500
        clock.now += 0.1
    assert 57_000 <= tokens <= 62_000


def test_a_request_larger_than_a_seconds_tokens_goes_out_and_is_waited_for_after() -> None:
    clock = Clock()
    pace = Pace(64, tokens_per_minute=600, clock=clock)
    assert pace.wait(100) == 0.0
    pace.start(100)
    assert pace.wait(100) == pytest.approx(10.0)


async def test_the_oldest_row_goes_first() -> None:
    pace = Pace(1)
    gate = Gate([pace])
    await gate.enter(ticket=0, tokens=1)
    order: list[int] = []

    async def enter(ticket: int) -> None:
        await gate.enter(ticket, tokens=1)
        order.append(ticket)
        gate.leave(pace.succeed)

    waiting = [asyncio.create_task(enter(ticket)) for ticket in (7, 3, 5)]
    await asyncio.sleep(0)
    gate.leave(pace.succeed)
    await asyncio.gather(*waiting)
    assert order == [3, 5, 7]


async def test_a_question_goes_where_most_slots_are_free() -> None:
    small, large = Pace(2), Pace(8)
    gate = Gate([small, large])
    entered = [await gate.enter(ticket, tokens=1) for ticket in range(10)]
    assert (entered.count(small), entered.count(large)) == (2, 8)
    assert entered[:6] == [large] * 6


async def test_one_who_is_cancelled_while_waiting_leaves_no_trace() -> None:
    pace = Pace(1)
    gate = Gate([pace])
    await gate.enter(0, tokens=1)
    waiting = asyncio.create_task(gate.enter(1, tokens=1))
    await asyncio.sleep(0)
    waiting.cancel()
    gate.leave(pace.succeed)
    await asyncio.sleep(0)
    assert pace.in_flight == 0


async def test_one_who_is_cancelled_with_the_slot_in_hand_gives_it_back() -> None:
    pace = Pace(1)
    gate = Gate([pace])
    await gate.enter(0, tokens=1)
    waiting = asyncio.create_task(gate.enter(1, tokens=1))
    await asyncio.sleep(0)
    gate.leave(pace.succeed)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert pace.in_flight == 0


async def test_those_who_wait_for_an_allowance_are_let_in_when_it_has_refilled() -> None:
    pace = Pace(8, requests_per_minute=1200)
    gate = Gate([pace])
    for ticket in range(25):
        await asyncio.wait_for(gate.enter(ticket, tokens=1), timeout=10)
        gate.leave(pace.succeed)
    assert pace.in_flight == 0
