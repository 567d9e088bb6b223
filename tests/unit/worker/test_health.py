"""When a worker asks to be replaced, when it is in trouble, and when it ends by itself."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from fleet.launch_specs import WorkerLaunch, WorkerSpec
from fleet.spec import BrokerSpec
from fleet.worker.blocked_loop import WEDGED_SECONDS
from fleet.worker.health import ALONE_SECONDS, PATIENCE_SECONDS, Health, Vitals, trouble
from fleet.worker.progress import HeldUp
from fleet.worker.recycling import LEAST_SECONDS
from fleet.worker.settings import Settings, SettingsChange

MIB = 1024 * 1024
SPEC = WorkerSpec("f", "g", (), (), BrokerSpec("memory://"), (), "threads", 2)
WELL = Vitals(
    is_ready=True,
    is_online=True,
    has_controller=True,
    turned_at=0.0,
    runs_inline=False,
    rss_bytes=50 * MIB,
    ran=0,
    longest_overdue=None,
)


def settings_of(**limits: object) -> Settings:
    spec = replace(SPEC, **limits)  # type: ignore[arg-type]
    return Settings(WorkerLaunch("g/0", 0, "r1", spec, "", ""))


def health_of(**limits: object) -> Health:
    health = Health(settings_of(**limits), lambda: 0.0)
    health.judge(0.0, WELL)  # it is up
    return health


def test_a_worker_asks_once_it_has_done_its_share_and_waits_for_the_controller() -> None:
    health = health_of(max_tasks=5)
    done = WELL._replace(ran=5)
    assert health.judge(LEAST_SECONDS - 1, done) is None
    assert health.recycle is None
    assert health.judge(LEAST_SECONDS, done) is None
    assert health.recycle == "max_tasks 5 reached"
    assert health.judge(LEAST_SECONDS + PATIENCE_SECONDS - 1, done) is None
    assert "no replacement came" in (health.judge(LEAST_SECONDS + PATIENCE_SECONDS, done) or "")


def test_alone_it_does_not_wait_so_long() -> None:
    health = health_of(max_tasks=5)
    alone = WELL._replace(ran=5, has_controller=False)
    start = LEAST_SECONDS + 1000.0
    assert health.judge(start, alone) is None
    assert health.judge(start + ALONE_SECONDS - 1, alone) is None
    assert health.judge(start + ALONE_SECONDS - 1, alone._replace(has_controller=True)) is None
    assert health.judge(start + 2 * ALONE_SECONDS - 2, alone) is None  # counted from when it was last there
    assert health.judge(start + 2 * ALONE_SECONDS, alone) is not None


def test_memory_that_is_given_back_is_not_forgiven() -> None:
    health = health_of(max_memory_bytes=100 * MIB)
    health.judge(100.0, WELL._replace(rss_bytes=150 * MIB))
    health.judge(101.0, WELL)
    assert health.recycle == "max_memory 100MiB exceeded: holds 150MiB"


def test_new_settings_are_judged_anew() -> None:
    settings = settings_of(max_memory_bytes=100 * MIB)
    health = Health(settings, lambda: 0.0)
    health.judge(0.0, WELL)
    health.judge(100.0, WELL._replace(rss_bytes=150 * MIB))
    settings.apply(SettingsChange("r2", {"max_memory_bytes": 200 * MIB}))
    health.judge(101.0, WELL._replace(rss_bytes=150 * MIB))
    assert health.recycle is None


def test_far_too_much_memory_is_not_waited_for() -> None:
    health = health_of(max_memory_bytes=100 * MIB)
    assert "over twice max_memory" in (health.judge(1.0, WELL._replace(rss_bytes=201 * MIB)) or "")


def test_prefork_has_its_processes_recycled() -> None:
    health = health_of(pool="prefork", max_tasks=1, max_age_seconds=1.0, max_memory_bytes=1)
    assert health.judge(1e6, WELL._replace(ran=100, turned_at=1e6)) is None
    assert health.recycle is None


def test_a_loop_that_does_not_turn_is_trouble() -> None:
    assert trouble(WEDGED_SECONDS - 1, WELL) is None
    assert "has not turned for 60s" in (trouble(WEDGED_SECONDS, WELL) or "")


def test_an_event_loop_that_a_task_blocks_is_trouble() -> None:
    short, long = HeldUp(WEDGED_SECONDS - 1, "fetch"), HeldUp(WEDGED_SECONDS, "fetch")
    assert trouble(0.0, WELL._replace(held_up=short)) is None
    assert (
        trouble(0.0, WELL._replace(held_up=long)) == "its event loop has not turned for 60s: fetch blocks it"
    )


@given(
    st.floats(0, 1e6),
    st.builds(
        Vitals,
        is_ready=st.booleans(),
        is_online=st.booleans(),
        has_controller=st.booleans(),
        turned_at=st.floats(0, 1e6),
        runs_inline=st.booleans(),
        rss_bytes=st.integers(0, 1 << 40),
        ran=st.integers(0, 1000),
        longest_overdue=st.none(),
        stuck=st.none(),
        held_up=st.none(),
    ),
)
def test_an_outage_a_solo_task_a_drain_and_a_start_are_no_trouble(now: float, vitals: Vitals) -> None:
    """An outage of the broker, a solo task, a drain, a start, a loop that turns."""
    fine = (
        not vitals.is_online
        or vitals.runs_inline
        or not vitals.is_ready
        or now - vitals.turned_at < WEDGED_SECONDS
    )
    assert (trouble(now, vitals) is None) == fine


def test_work_that_could_get_on_and_does_not_is_trouble_while_there_is_a_broker() -> None:
    stuck = WELL._replace(stuck="3 wait in it")
    assert trouble(0.0, stuck) == "3 wait in it"
    assert trouble(0.0, stuck._replace(is_online=False)) is None
    assert trouble(0.0, stuck._replace(is_ready=False)) is None


def test_who_has_lost_a_slot_asks_to_be_replaced() -> None:
    health = health_of(pool="threads")
    assert health.judge(0.0, WELL._replace(lost="work[1] was lost: its thread has ended")) is None
    assert health.recycle == "work[1] was lost: its thread has ended"
    assert health.trouble is None


def test_a_limit_that_did_not_hold_is_trouble_also_inline() -> None:
    vitals = WELL._replace(longest_overdue=45.0, runs_inline=True, is_online=False)
    assert trouble(0.0, vitals) == "a task runs 45s beyond its time limit and can't be stopped"
