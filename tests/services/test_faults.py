"""Faults are ordered in two forms, header and JSON; plans wait in memory that workers share."""

import pytest

from app.services.faults import (
    MOST_PLANS,
    MOST_TIMES,
    Fault,
    Kind,
    Plan,
    Plans,
    When,
    from_header,
    from_members,
)
from tests.services.crowd import in_processes

DROP = Fault(Kind.DROP)


def always():
    return 0.0


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        ("drop", DROP),
        ("  drop  ", DROP),
        ("drop-before", Fault(Kind.DROP_BEFORE)),
        ("duplicate", Fault(Kind.DUPLICATE)),
        ("truncate", Fault(Kind.TRUNCATE)),
        ("502-html", Fault(Kind.BAD_GATEWAY)),
        ("502-html; when=after", Fault(Kind.BAD_GATEWAY, when=When.AFTER)),
        ("delay", Fault(Kind.DELAY, 1, When.BEFORE)),
        ("delay; seconds=2.5; when=after", Fault(Kind.DELAY, 2.5, When.AFTER)),
        ("delay;when=before;seconds=30", Fault(Kind.DELAY, 30, When.BEFORE)),
        ("429; seconds=7", Fault(Kind.TOO_OFTEN, 7)),
        ("503; seconds=0; when=after", Fault(Kind.BUSY, 0, When.AFTER)),
    ],
)
def test_a_header_says_the_fault_and_what_it_takes(header, fault):
    assert from_header(header) == fault


@pytest.mark.parametrize(
    "header",
    [
        "",
        "explode",
        "DROP",
        "drop;",
        "drop; seconds=1",
        "drop, drop",
        "429; when=after",
        "502-html; seconds=1",
        "delay; seconds",
        "delay; seconds=",
        "delay; seconds=31",
        "delay; seconds=30.001",
        "delay; seconds=-1",
        "delay; seconds=1e1",
        "delay; seconds=nan",
        "delay; seconds=\u0661",
        "delay; seconds=1; seconds=1",
        "delay; when=later",
        "delay; times=2",
        "delay " + "; seconds=1" * 1000,
    ],
)
def test_any_other_header_is_malformed(header):
    with pytest.raises(ValueError, match=r"^chaos_|is not a valid"):
        from_header(header)


def test_a_plan_is_for_one_request_unless_it_says_more():
    assert from_members({"client_id": "c", "fault": "drop"}) == Plan("c", DROP, times=1, rate=1)
    members = {"client_id": "c", "fault": "delay", "times": 3, "rate": 0.5, "seconds": 2}
    plan = from_members({**members, "when": "after"})
    assert plan == Plan("c", Fault(Kind.DELAY, 2, When.AFTER), times=3, rate=0.5)


def test_a_plan_is_told_as_it_was_ordered():
    for ordered in (
        {"client_id": "c", "fault": "drop", "times": 1, "rate": 1},
        {"client_id": "c", "fault": "429", "times": 2, "rate": 0.25, "seconds": 5},
    ):
        assert from_members(ordered).members() == ordered


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": None},
        {"client_id": 7},
        {"fault": None},
        {"fault": ["drop"]},
        {"fault": "explode"},
        {"times": 0},
        {"times": MOST_TIMES + 1},
        {"times": 1.0},
        {"times": True},
        {"times": "1"},
        {"rate": 1.01},
        {"rate": -0.1},
        {"rate": float("nan")},
        {"rate": True},
        {"rate": None},
        {"seconds": 1},
        {"fault": "delay", "seconds": 30.5},
        {"fault": "delay", "seconds": float("inf")},
        {"fault": "delay", "seconds": "1"},
        {"fault": "delay", "when": "later"},
        {"fault": "delay", "when": None},
        {"unknown": 1},
    ],
)
def test_any_other_plan_is_malformed(wrong):
    with pytest.raises(ValueError, match=r"^chaos_|is not a valid"):
        from_members({"client_id": "c", "fault": "drop", **wrong})


def test_a_plan_is_met_so_many_times_by_its_client_only():
    plans = Plans()
    assert not plans
    plans.put(Plan("c", DROP, times=2))
    assert plans
    assert plans.take("other", always) is None
    assert [plans.take("c", always) for _ in range(3)] == [DROP, DROP, None]
    assert not plans
    assert plans.everything() == []


def test_a_request_that_is_spared_does_not_count():
    plans = Plans()
    plans.put(Plan("c", DROP, times=1, rate=0.5))
    assert plans.take("c", lambda: 0.5) is None
    assert plans.take("c", lambda: 0.49) == DROP


def test_a_rate_of_nothing_spares_all_and_a_rate_of_one_none():
    plans = Plans()
    plans.put(Plan("never", DROP, rate=0))
    plans.put(Plan("ever", DROP, rate=1))
    assert plans.take("never", always) is None
    assert plans.take("ever", lambda: 0.999999) == DROP


def test_a_second_plan_replaces_the_first_and_clearing_forgets_all():
    plans = Plans()
    plans.put(Plan("c", DROP, times=9))
    plans.put(Plan("c", Fault(Kind.BUSY, 3), times=2))
    plans.put(Plan("d", DROP))
    assert plans.everything() == [Plan("c", Fault(Kind.BUSY, 3), times=2), Plan("d", DROP)]
    plans.clear()
    assert not plans


def test_a_plan_made_in_one_process_is_met_in_the_others_and_counted_by_all_together():
    plans = Plans()
    in_processes(1, lambda: plans.put(Plan("c", DROP, times=30)))
    met = in_processes(4, lambda: [plans.take("c", always) for _ in range(20)].count(DROP))
    assert sum(met) == 30
    assert plans.everything() == []


def test_the_memory_is_large_enough_for_as_many_plans_as_are_taken():
    plans = Plans()
    longest = Fault(Kind.DELAY, 29.999, When.BEFORE)
    for number in range(MOST_PLANS):
        assert plans.put(Plan(f"{number:064}", longest, MOST_TIMES, 0.123456789012345678))
    assert not plans.put(Plan("one too many", longest))
    assert plans.put(Plan(f"{7:064}", DROP)), "a client that has one may get another"
    assert len(plans.everything()) == MOST_PLANS
