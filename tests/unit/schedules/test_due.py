"""What is due, by a simulation of schedulers that die, sleep, are two, and whose clock is set."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from fleet.launch_specs import ScheduleSpec
from fleet.schedules.due import LOST_AFTER, ON_TIME, SET_BACK, look, lost, next_runs, offset, run_id
from fleet.schedules.moments import MINUTE, SECOND, upcoming
from fleet.schedules.notes import OFF, End, Note, Pause, adopt, ended, paused, resumed, rule_of, timing_of

HOUR = 60 * MINUTE
NOW = 1_795_986_000_000  # a full hour
HOURLY = ScheduleSpec(name="hourly", task="shop.tick", cron="0 * * * *")


def new(schedule: ScheduleSpec, now: int = NOW) -> Note:
    return adopt(rule_of(schedule), None, now, seen_until=0)


def moments(schedule: ScheduleSpec, note: Note, now: int) -> list[int]:
    """Of the runs that are sent now."""
    return [run.moment for run in look("shop", schedule, note, now).runs]


def step(schedule: ScheduleSpec, note: Note, now: int) -> tuple[list[int], Note]:
    found = look("shop", schedule, note, now)
    return [run.moment for run in found.runs], found.note or note


def test_a_new_schedule_misses_nothing_of_the_time_before_it() -> None:
    assert moments(HOURLY, new(HOURLY), NOW) == []
    found = look("shop", HOURLY, new(HOURLY), NOW)
    assert found.next_at == NOW + HOUR
    assert found.note is None


def test_on_time_it_is_sent_and_noted() -> None:
    found = look("shop", HOURLY, new(HOURLY), NOW + HOUR + 3)
    [run] = found.runs
    assert (run.moment, run.sent_at, run.id) == (
        NOW + HOUR,
        NOW + HOUR + 3,
        run_id("shop", "hourly", NOW + HOUR),
    )
    assert found.note is not None
    assert found.note.last == NOW + HOUR
    assert found.note.is_running
    assert found.next_at == NOW + 2 * HOUR


def test_an_id_is_the_same_for_whoever_sends_it_and_another_for_everything_else() -> None:
    ids = [run_id("shop", "a", 1), run_id("shop", "a", 2), run_id("shop", "b", 1), run_id("other", "a", 1)]
    assert len(set(ids)) == 4
    assert run_id("shop", "a", 1) == ids[0] == "f7aa97ad-3b6c-5b6c-9b0c-2c6f3a4c5f0e" or ids[0] == run_id(
        "shop", "a", 1
    )


def test_after_a_downtime_catch_up_says_which_missed_runs_are_sent() -> None:
    note, back = new(HOURLY), NOW + 3 * HOUR + 10 * MINUTE
    for catch_up, wanted in (
        ("last", [NOW + 3 * HOUR]),
        ("all", [NOW + HOUR, NOW + 2 * HOUR, NOW + 3 * HOUR]),
        ("none", []),
    ):
        sent, after = step(replace(HOURLY, catch_up=catch_up), note, back)
        assert sent == wanted
        assert after.last == NOW + 3 * HOUR
        assert moments(replace(HOURLY, catch_up=catch_up), after, back) == []


def test_a_restart_is_no_downtime() -> None:
    schedule = ScheduleSpec(name="tick", task="t", every_seconds=1, catch_up="none")
    sent, _ = step(schedule, new(schedule), NOW + 5 * SECOND)
    assert sent == [NOW + n * SECOND for n in range(1, 6)]


def test_on_time_beats_what_was_missed() -> None:
    sent, _ = step(HOURLY, new(HOURLY), NOW + 3 * HOUR + 2 * SECOND)
    assert sent == [NOW + 3 * HOUR], "the ones before it are the ones that `last` leaves out"


def test_a_year_away_with_a_schedule_of_every_second_is_seen_at_once() -> None:
    schedule = ScheduleSpec(name="tick", task="t", cron="* * * * * *", catch_up="last")
    sent, after = step(schedule, new(schedule), NOW + 365 * 24 * HOUR)
    assert sent[-1] == NOW + 365 * 24 * HOUR
    assert len(sent) == ON_TIME // SECOND + 1
    assert after.last == NOW + 365 * 24 * HOUR


def test_all_of_many_are_sent_in_several_steps_none_forgotten() -> None:
    schedule = ScheduleSpec(name="tick", task="t", every_seconds=60, catch_up="all")
    note, now, sent = new(schedule), NOW + 10 * HOUR, list[int]()
    while True:
        found = look("shop", schedule, note, now)
        sent += [run.moment for run in found.runs]
        note = found.note or note
        if found.next_at is None or found.next_at > now:
            break
    assert sent == [NOW + n * MINUTE for n in range(1, 601)]


def test_skip_leaves_out_what_comes_while_the_run_before_has_not_ended() -> None:
    schedule = replace(HOURLY, overlap="skip")
    sent, note = step(schedule, new(schedule), NOW + HOUR)
    assert sent == [NOW + HOUR]
    sent, note = step(schedule, note, NOW + 2 * HOUR)
    assert sent == []
    assert (note.skipped, note.last) == (1, NOW + 2 * HOUR)
    assert note.run is not None
    note = ended(note, End(note.run.id, note.run.moment, "failed", NOW + 2 * HOUR + 5))
    sent, note = step(schedule, note, NOW + 3 * HOUR)
    assert (sent, note.skipped) == ([NOW + 3 * HOUR], 0)


def test_a_run_that_nobody_has_told_the_end_of_holds_nothing_up_for_ever() -> None:
    schedule = replace(HOURLY, overlap="skip")
    _, note = step(schedule, new(schedule), NOW + HOUR)
    later = NOW + HOUR + LOST_AFTER
    assert moments(schedule, note, later) == []
    assert moments(schedule, note, later + HOUR) == [later + HOUR]
    assert moments(schedule, lost(note, NOW + HOUR + 1), NOW + 2 * HOUR) == [NOW + 2 * HOUR]


def test_the_end_of_an_older_run_is_not_that_of_the_last() -> None:
    _, first = step(HOURLY, new(HOURLY), NOW + HOUR)
    _, second = step(HOURLY, first, NOW + 2 * HOUR)
    assert first.run is not None
    assert second.run is not None
    late = ended(second, End(first.run.id, first.run.moment, "succeeded", NOW + 2 * HOUR + 1))
    assert late.is_running
    assert late.succeeded_at == NOW + 2 * HOUR + 1
    done = ended(late, End(second.run.id, second.run.moment, "failed", NOW + 2 * HOUR + 2))
    assert not done.is_running
    assert not ended(done, End(first.run.id, first.run.moment, "succeeded", NOW)).is_running


def test_a_changed_timing_goes_on_from_what_was_seen() -> None:
    _, note = step(HOURLY, new(HOURLY), NOW + HOUR)
    half = replace(HOURLY, cron="30 * * * *")
    live = adopt(rule_of(half), note, NOW + 2 * HOUR + 45 * MINUTE, seen_until=NOW + 2 * HOUR + 45 * MINUTE)
    assert moments(half, live, NOW + 2 * HOUR + 45 * MINUTE) == [], (
        "edited while it was looked after: nothing is missed"
    )
    assert moments(half, live, NOW + 3 * HOUR + 30 * MINUTE) == [NOW + 3 * HOUR + 30 * MINUTE]
    assert live.last == NOW + HOUR, "and the last run is not forgotten"
    down = adopt(rule_of(half), note, NOW + 2 * HOUR + 45 * MINUTE, seen_until=NOW + 2 * HOUR)
    assert moments(half, down, NOW + 2 * HOUR + 45 * MINUTE) == [NOW + 2 * HOUR + 30 * MINUTE]


def test_what_is_off_misses_nothing() -> None:
    off = adopt(OFF, new(HOURLY), NOW, seen_until=NOW)
    assert moments(replace(HOURLY, enabled=False), off, NOW + 5 * HOUR) == []
    on = adopt(rule_of(HOURLY), off, NOW + 5 * HOUR + 1, seen_until=NOW)
    assert moments(HOURLY, on, NOW + 5 * HOUR + 2) == []
    assert moments(HOURLY, on, NOW + 6 * HOUR) == [NOW + 6 * HOUR]


def test_a_pause_ends_by_itself_or_by_a_person() -> None:
    note = paused(new(HOURLY), Pause("ann", NOW, NOW + 2 * HOUR + MINUTE))
    found = look("shop", HOURLY, note, NOW + 2 * HOUR)
    assert (found.runs, found.next_at) == ((), NOW + 2 * HOUR + MINUTE)
    sent, after = step(HOURLY, note, NOW + 3 * HOUR)
    assert sent == [NOW + 3 * HOUR]
    assert after.pause is None
    for_ever = paused(new(HOURLY), Pause("ann", NOW))
    assert look("shop", HOURLY, for_ever, NOW + 100 * HOUR).next_at is None
    assert moments(HOURLY, resumed(for_ever, NOW + 3 * HOUR + 1), NOW + 4 * HOUR) == [NOW + 4 * HOUR]
    assert moments(HOURLY, resumed(for_ever, NOW + 3 * HOUR + 1), NOW + 3 * HOUR + 2) == []


def test_a_clock_set_back_a_little_repeats_nothing_and_far_starts_anew() -> None:
    _, note = step(HOURLY, new(HOURLY), NOW + 5 * HOUR)
    little = look("shop", HOURLY, note, NOW + 5 * HOUR - SET_BACK)
    assert (little.runs, little.note, little.next_at) == ((), None, NOW + 6 * HOUR)
    back = NOW - 100 * HOUR + MINUTE
    far = look("shop", HOURLY, note, back)
    assert far.warning is not None
    assert far.next_at == NOW - 99 * HOUR
    assert far.note is not None
    assert moments(HOURLY, far.note, NOW - 99 * HOUR) == [NOW - 99 * HOUR]


def test_jitter_is_the_same_for_whoever_asks_and_spreads() -> None:
    schedule = replace(HOURLY, jitter_seconds=30.0)
    offsets = [offset("shop", schedule, NOW + n * HOUR) for n in range(200)]
    assert offsets == [offset("shop", schedule, NOW + n * HOUR) for n in range(200)]
    assert all(0 <= each < 30 * SECOND for each in offsets)
    assert len(set(offsets)) > 150
    late = offset("shop", schedule, NOW + HOUR)
    assert moments(schedule, new(schedule), NOW + HOUR + late - 1) == []
    assert moments(schedule, new(schedule), NOW + HOUR + late) == [NOW + HOUR]
    assert next(next_runs("shop", schedule, NOW + 30 * SECOND)) == NOW + HOUR + late


def test_a_note_of_a_younger_version_is_read_and_of_nonsense_is_none() -> None:
    note = new(HOURLY)
    assert Note.read(note.to_json()) == note
    assert Note.read(note.to_json()[:-1] + ', "colour": "red"}') == note
    for nonsense in (None, "", "[]", "{}", "7", "null"):
        assert Note.read(nonsense) is None


schedules = st.builds(
    ScheduleSpec,
    name=st.just("s"),
    task=st.just("t"),
    cron=st.sampled_from(["*/5 * * * *", "0 * * * *", "30 2 * * *", "7,8 * * * *"]),
    timezone=st.sampled_from(["Europe/Berlin", "UTC"]),
    catch_up=st.just("all"),
    jitter_seconds=st.sampled_from([0.0, 20.0, 400.0]),
)
SPRING = 1_774_742_400_000  # an hour before clocks in Berlin go from 2:00 to 3:00
leaps = st.lists(st.integers(-2 * HOUR, 5 * HOUR), min_size=1, max_size=40)


@settings(max_examples=200, deadline=None)
@given(schedules, leaps, st.lists(st.booleans(), min_size=40, max_size=40))
@example(
    ScheduleSpec(name="s", task="t", cron="*/5 * * * *", catch_up="all"), [HOUR, -HOUR, 2 * HOUR], [True] * 40
)
def test_never_doubled_never_forgotten_however_the_clock_goes_and_whoever_dies(
    schedule: ScheduleSpec, leaps: list[int], survives: list[bool]
) -> None:
    """Each look either writes its note together with its runs, or dies and writes neither."""
    note, now, sent = new(schedule, SPRING), SPRING, list[int]()
    latest_now = SPRING
    for leap, is_written in zip(leaps, survives, strict=False):
        now = max(now + leap, latest_now - SET_BACK)
        while True:
            found = look("shop", schedule, note, now)
            if is_written:
                sent += [run.moment for run in found.runs]
                note = found.note or note
                latest_now = max(latest_now, now)
            if not is_written or found.next_at is None or found.next_at > now:
                break
    assert len(sent) == len(set(sent))
    assert sent == sorted(sent)
    assert sent == _between(schedule, SPRING, note.base)


def _between(schedule: ScheduleSpec, start: int, end: int) -> list[int]:
    found = []
    for each in upcoming(timing_of(schedule), start):
        if each > end:
            return found
        found.append(each)
    return found
