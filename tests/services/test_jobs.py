"""Background work: done by one process of all, taken over when that one is gone."""

import threading

import pytest
from sqlalchemy import text

from app.services.jobs import LEASE, RENEWED, Job, Worker
from app.services.readiness import may_work
from app.store.base import database_now
from tests.servers import wait_until


@pytest.fixture
def two(make_any_site):
    """Two hosts on one database, each with its worker and the list of what it did."""
    made = []
    for _ in range(2):
        host, done = make_any_site(), []
        jobs = [Job("count", every=1_000, work=lambda run, done=done: done.append(run.now()))]
        made.append((host, Worker(host.run, jobs), done))
    return made


def advance(two, seconds):
    for host, _, _ in two:
        host.clock.advance(seconds=seconds)


def test_only_the_elected_one_works(two):
    (_, first, done), (_, second, nothing) = two
    for _ in range(60):
        assert first.round()
        assert not second.round()
        advance(two, 1)
    assert len(done) == 60
    assert nothing == []


def test_when_the_elected_one_is_gone_another_takes_over(two):
    (_, first, _), (_, second, done) = two
    assert first.round()
    advance(two, LEASE / 1000 - 1)
    assert not second.round()
    advance(two, RENEWED / 1000)
    assert second.round()
    assert len(done) == 1
    assert not first.round(), "who was away has to find out"


def test_one_that_resigns_is_followed_at_once(two):
    (_, first, _), (_, second, _) = two
    assert first.round()
    first.resign()
    assert second.round()


def test_a_job_rests_between_two_runs(two):
    (host, worker, done), _ = two
    for _ in range(3):
        worker.round()
        host.clock.advance(seconds=0.4)
    assert len(done) == 1
    host.clock.advance(seconds=-500)
    worker.round()
    assert len(done) == 2, "a clock that was set back does not stop the work"


def test_a_job_that_fails_is_logged_and_does_not_end_the_others(site, capsys):
    done = []

    def fail(_):
        raise RuntimeError("broken job")

    jobs = [Job("bad", 1, fail), Job("good", 1, lambda _: done.append(1))]
    assert Worker(site.run, jobs).round()
    assert done == [1]
    assert "job_failed: bad" in capsys.readouterr().err


def test_a_database_that_is_away_is_survived(site, capsys):
    worker = Worker(site.run, [Job("any", 1, lambda _: None)])
    with site.run.transactions.begin() as connection:
        connection.execute(text("ALTER TABLE leases RENAME TO elsewhere"))
    assert not worker.round()
    assert "database_unavailable" in capsys.readouterr().err
    with site.run.transactions.begin() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO leases"))
    assert worker.round()


def test_unwanted_jobs_need_no_thread(site):
    before = threading.active_count()
    Worker(site.run, [Job("never", 1, lambda _: None, wanted=lambda _: False)]).start()
    assert threading.active_count() == before


def test_work_ends_when_it_is_told_to_and_resigns(two):
    (_, first, done), (_, second, _) = two
    stop = threading.Event()
    thread = threading.Thread(target=first.work, args=[stop])
    thread.start()
    wait_until(lambda: done, "the first round")
    stop.set()
    thread.join()
    assert second.round()


@pytest.mark.parametrize(("apart", "works"), [(0, True), (20, True), (-20, True), (40, False)])
def test_a_host_whose_clock_is_wrong_does_nothing_for_the_others(any_site, apart, works):
    """Forty days ahead it would turn keys over and destroy those that the others sign with."""
    with any_site.run.rotations.connect() as connection:
        any_site.clock.now = database_now(connection)
    any_site.clock.advance(seconds=apart)
    done = []
    worker = Worker(any_site.run, [Job("any", 1, lambda _: done.append(1))], may_work)
    assert worker.round() is works
    assert bool(done) is works


def test_a_clock_that_is_right_again_is_believed_again(site):
    with site.run.rotations.connect() as connection:
        now = database_now(connection)
    worker = Worker(site.run, [Job("any", 1, lambda _: None)], may_work)
    for moment, works in ((now, True), (now + 40 * 86_400_000, False), (now, True)):
        site.clock.now = moment
        assert worker.round() is works
