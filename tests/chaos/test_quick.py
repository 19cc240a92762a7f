"""The quick form of each chaos scenario; `make chaos` runs the long one."""

import multiprocessing
from collections.abc import Iterator
from random import Random

import pytest

from tests.chaos.ground import Ground
from tests.chaos.scenarios import QUICK

SEED = 7


@pytest.fixture(scope="session")
def ground(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    prepared = Ground(postgres, tmp_path_factory.mktemp("chaos"), SEED)
    prepared.prepare()
    yield prepared
    assert not multiprocessing.active_children()


def check(name: str, ground: Ground) -> None:
    told: list[str] = []
    row = QUICK[name](ground, Random(f"{SEED} {name}"), told.append)
    assert row.passed, "\n".join([*row.wrong, row.told, *told])


def test_sigkill_in_every_stage_loses_nothing_and_costs_what_was_in_flight(ground: Ground) -> None:
    check("kills", ground)


def test_a_run_that_resumes_skips_no_record(ground: Ground) -> None:
    check("resuming", ground)


def test_a_kill_in_any_stage_of_documents_repeats_no_completed_stage(ground: Ground) -> None:
    check("documents", ground)


def test_two_processes_on_the_same_sources_pay_once(ground: Ground) -> None:
    check("same-source", ground)


def test_two_processes_on_sources_that_share_texts_pay_once(ground: Ground) -> None:
    check("shared-texts", ground)


def test_a_provider_that_fails_in_every_way_costs_no_record(ground: Ground) -> None:
    check("flaky", ground)


def test_three_poisoned_texts_of_a_thousand_are_three_dead_letters(ground: Ground) -> None:
    check("poison", ground)


def test_a_run_outlives_restarts_of_the_database(ground: Ground) -> None:
    check("restarts", ground)


def test_a_connection_cut_in_a_copy_costs_nothing(ground: Ground) -> None:
    check("cut-copies", ground)


def test_a_lost_deadlock_costs_nothing(ground: Ground) -> None:
    check("deadlocks", ground)


def test_a_full_disk_is_waited_out(ground: Ground) -> None:
    check("full-disk", ground)


def test_a_row_that_the_table_refuses_is_a_dead_letter_and_its_neighbours_stay(ground: Ground) -> None:
    check("refused-row", ground)


def test_a_signal_ends_a_run_with_everything_stored(ground: Ground) -> None:
    check("stopping", ground)


def test_two_processes_keep_to_a_limit_of_requests_and_use_it(ground: Ground) -> None:
    check("requests-limit", ground)


def test_twenty_long_readers_see_one_space_each_while_a_candidate_is_measured(ground: Ground) -> None:
    check("spaces", ground)
