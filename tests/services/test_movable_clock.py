"""The clock of a development server: moved in one process, moved in all."""

from app.services.movable_clock import LARGEST, MovableClock
from tests.services.crowd import HOUR, NOW, in_processes


def clock():
    return MovableClock(lambda: NOW)


def test_it_shows_the_systems_time_until_it_is_moved():
    moved = clock()
    assert (moved(), moved.offset) == (NOW, 0)
    assert moved.advance(HOUR)
    assert moved.advance(1)
    assert (moved(), moved.offset) == (NOW + HOUR + 1, HOUR + 1)


def test_a_clock_moved_in_one_process_is_moved_in_the_others():
    moved = clock()
    in_processes(1, lambda: moved.advance(HOUR))
    assert moved() == NOW + HOUR
    assert in_processes(1, moved) == [NOW + HOUR]
    in_processes(1, moved.reset)
    assert moved() == NOW


def test_of_simultaneous_moves_each_one_counts():
    moved = clock()
    in_processes(4, lambda: [moved.advance(1) for _ in range(50)])
    assert moved.offset == 200


def test_it_runs_ahead_ten_years_at_most():
    moved = clock()
    assert moved.advance(LARGEST)
    assert not moved.advance(1)
    assert moved.offset == LARGEST


def test_two_servers_in_one_process_have_two_clocks():
    one, other = clock(), clock()
    one.advance(HOUR)
    assert other() == NOW
