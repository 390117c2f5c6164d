"""The limit holds at any moment, whatever is in flight and however it ends."""

import asyncio

import pytest

from curation.budget import Budget, Cost
from schemas.errors import BudgetReached, UsageError


async def test_what_is_in_flight_counts_with_its_worst_case() -> None:
    budget = Budget(usd=1.0)
    await budget.hold(Cost(0.7, 10))
    waiting = asyncio.create_task(budget.hold(Cost(0.7, 10)))
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


async def test_one_who_waits_goes_on_when_the_other_turns_out_cheap() -> None:
    budget = Budget(usd=1.0)
    held = await budget.hold(Cost(0.7, 10))
    waiting = asyncio.create_task(budget.hold(Cost(0.7, 10)))
    await asyncio.sleep(0)
    budget.settle(held, Cost(0.1, 5))
    assert await waiting == Cost(0.7, 10)


async def test_one_who_waits_is_told_when_the_other_turns_out_dear() -> None:
    budget = Budget(usd=1.0)
    held = await budget.hold(Cost(0.7, 10))
    waiting = asyncio.create_task(budget.hold(Cost(0.7, 10)))
    await asyncio.sleep(0)
    budget.settle(held, Cost(0.6, 5))
    with pytest.raises(BudgetReached):
        await waiting


async def test_what_cannot_fit_however_the_rest_ends_is_refused_at_once() -> None:
    budget = Budget(usd=1.0)
    budget.settle(await budget.hold(Cost(0.5, 1)), Cost(0.5, 1))
    await budget.hold(Cost(0.2, 1))
    with pytest.raises(BudgetReached):
        await budget.hold(Cost(0.6, 1))


async def test_the_message_says_what_is_spent_and_what_the_next_call_could_cost() -> None:
    budget = Budget(usd=2.5)
    budget.settle(await budget.hold(Cost(2.4, 1)), Cost(2.4, 1))
    with pytest.raises(BudgetReached, match=r"spent 2\.4000 of 2\.5000 USD, the next call could cost 0\.2000"):
        await budget.hold(Cost(0.2, 1))


async def test_tokens_have_a_limit_of_their_own() -> None:
    budget = Budget(tokens=100)
    budget.settle(await budget.hold(Cost(0.0, 90)), Cost(0.0, 90))
    with pytest.raises(BudgetReached, match="spent 90 of 100 tokens"):
        await budget.hold(Cost(0.0, 20))


async def test_a_request_that_was_not_billed_gives_its_hold_back() -> None:
    budget = Budget(usd=1.0)
    budget.release(await budget.hold(Cost(1.0, 1)))
    assert await budget.hold(Cost(1.0, 1))
    assert budget.spent_usd == 0.0


async def test_a_request_without_an_answer_may_have_been_billed_and_goes_on_counting() -> None:
    budget = Budget(usd=1.0)
    budget.keep(await budget.hold(Cost(0.6, 1)))
    with pytest.raises(BudgetReached, match=r"at most 0\.6000 on requests without an answer"):
        await budget.hold(Cost(0.6, 1))


async def test_without_limits_the_spending_is_counted() -> None:
    budget = Budget()
    budget.settle(await budget.hold(Cost(9.0, 900)), Cost(0.25, 30))
    assert (budget.spent_usd, budget.spent_tokens) == (0.25, 30)


async def test_many_at_once_never_pass_the_limit_and_use_nearly_all_of_it() -> None:
    budget = Budget(usd=1.0)

    async def call() -> None:
        held = await budget.hold(Cost(0.05, 1))
        await asyncio.sleep(0)
        budget.settle(held, Cost(0.03, 1))

    results = await asyncio.gather(*(call() for _ in range(100)), return_exceptions=True)
    assert {type(result) for result in results} == {type(None), BudgetReached}
    assert 0.95 < budget.spent_usd <= 1.0


@pytest.mark.parametrize("usd", [float("nan"), float("inf")])
def test_a_budget_that_is_no_amount_is_refused(usd: float) -> None:
    with pytest.raises(UsageError, match="a number of USD"):
        Budget(usd=usd)
