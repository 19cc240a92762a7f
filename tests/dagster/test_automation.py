"""The automation of the index: by itself once all sources are up to date, and not before."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from bootstrap_assets.definitions import defs
from bootstrap_assets.defs.index import AUTOMATION
from bootstrap_assets.defs.partitions import all_batches, batches
from bootstrap_assets.sources.registry import SOURCES

KEYS = batches().get_partition_keys()
INDEX = dg.AssetKey("reference_index")
NAMES = list(SOURCES)


class World:
    """An instance whose events are told by hand, and a daemon that looks at it when it is asked to."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self._seen: dg.EvaluateAutomationConditionsResult | None = None

    def asks_for_the_index(self, at: datetime | None = None) -> bool:
        """Whether the automation, looking now or at another time, asks for the index."""
        self._seen = dg.evaluate_automation_conditions(
            defs,
            self.instance,
            asset_selection=dg.AssetSelection.assets(INDEX),
            cursor=self._seen.cursor if self._seen else None,
            evaluation_time=at,
        )
        return self._seen.total_requested == 1

    def load(self, source: str, version: str = "1") -> None:
        """The records of a source are there, in a version."""
        tags = {"dagster/data_version": version}
        self.instance.report_runless_asset_event(dg.AssetMaterialization(f"{source}_records", tags=tags))

    def fill(self, source: str, batches: Sequence[str] = KEYS, *, sound: bool = True) -> None:
        """Batches of a source have their vectors, and its checks were asked."""
        for batch in batches:
            self.instance.report_runless_asset_event(dg.AssetMaterialization(source, partition=batch))
        self.check(source, sound=sound)

    def check(self, source: str, *, sound: bool = True) -> None:
        """The blocking checks of a source were asked."""
        for check in ("vectors_complete", "vectors_sane"):
            self.instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(
                    dg.AssetKey(source), check_name=check, passed=sound, metadata={}, blocking=True
                )
            )

    def build(self) -> None:
        """The index was built."""
        self.instance.report_runless_asset_event(dg.AssetMaterialization(INDEX))

    def begin(self, asset: str) -> dg.DagsterRun:
        """A run over an asset is under way, over all batches where it has them."""
        keys = {dg.AssetKey(asset)}
        job = defs.resolve_job_def("bootstrap").get_subset(asset_selection=keys, asset_check_selection=set())
        return self.instance.create_run_for_job(
            job, asset_selection=frozenset(keys), status=dg.DagsterRunStatus.STARTED, tags=all_batches()
        )


@pytest.fixture
def world() -> Iterator[World]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(instance)


@pytest.fixture
def ready(world: World) -> World:
    """All sources are there and the index was built over them."""
    for name in NAMES:
        world.load(name)
        world.fill(name)
    assert world.asks_for_the_index()
    world.build()
    assert not world.asks_for_the_index()
    return world


def test_the_index_is_asked_for_once_after_the_last_batch_of_the_last_source(world: World) -> None:
    assert not world.asks_for_the_index()
    for name in NAMES:
        world.load(name)
    for name in NAMES[:-1]:
        world.fill(name)
        assert not world.asks_for_the_index()
    world.fill(NAMES[-1], KEYS[:-1])
    assert not world.asks_for_the_index()
    world.fill(NAMES[-1], KEYS[-1:])
    assert world.asks_for_the_index()
    assert not world.asks_for_the_index()
    world.build()
    assert not world.asks_for_the_index()


def test_sources_that_were_complete_before_anybody_looked_get_their_index(world: World) -> None:
    for name in NAMES:
        world.load(name)
        world.fill(name)
    assert world.asks_for_the_index()
    assert not world.asks_for_the_index()


def test_a_changed_batch_asks_for_the_index_again(ready: World) -> None:
    ready.fill(NAMES[0], KEYS[3:4])
    assert ready.asks_for_the_index()
    assert not ready.asks_for_the_index()


def test_a_batch_that_changed_after_the_index_was_built_is_not_forgotten(ready: World) -> None:
    """Although both were seen at the same look."""
    ready.build()
    ready.fill(NAMES[0], KEYS[3:4])
    assert ready.asks_for_the_index()
    assert not ready.asks_for_the_index()
    ready.build()
    assert not ready.asks_for_the_index()


def test_a_build_that_failed_is_asked_for_again_once_a_day(ready: World) -> None:
    ready.fill(NAMES[0], KEYS[3:4])
    evening = datetime(2030, 1, 1, 20, tzinfo=UTC)
    assert ready.asks_for_the_index(evening)
    run = ready.begin("reference_index")
    assert not ready.asks_for_the_index(evening + timedelta(minutes=1))
    ready.instance.report_run_failed(run)
    assert not ready.asks_for_the_index(evening + timedelta(minutes=2))
    assert ready.asks_for_the_index(evening + timedelta(days=1))
    assert not ready.asks_for_the_index(evening + timedelta(days=1, minutes=1))
    ready.build()
    assert not ready.asks_for_the_index(evening + timedelta(days=1, minutes=2))


@pytest.mark.parametrize("asset", [NAMES[1], f"{NAMES[1]}_records"])
def test_the_index_waits_while_a_source_or_its_records_are_in_progress(ready: World, asset: str) -> None:
    ready.fill(NAMES[0], KEYS[3:4])
    run = ready.begin(asset)
    ready.check(NAMES[1])
    assert not ready.asks_for_the_index()
    ready.instance.report_run_canceled(run)
    ready.check(NAMES[1])
    assert ready.asks_for_the_index()


def test_after_a_run_that_ended_before_its_checks_the_index_waits_for_them(ready: World) -> None:
    ready.fill(NAMES[0], KEYS[3:4])
    ready.instance.report_run_canceled(ready.begin(NAMES[1]))
    assert not ready.asks_for_the_index()
    ready.check(NAMES[1])
    assert ready.asks_for_the_index()


def test_the_index_waits_until_changed_records_have_their_vectors(ready: World) -> None:
    ready.load(NAMES[1], version="2")
    assert not ready.asks_for_the_index()
    ready.fill(NAMES[0], KEYS[:1])
    assert not ready.asks_for_the_index()
    ready.fill(NAMES[1])
    assert ready.asks_for_the_index()


def test_records_loaded_again_without_a_change_hold_nothing_up(ready: World) -> None:
    ready.load(NAMES[1])
    assert not ready.asks_for_the_index()
    ready.fill(NAMES[0], KEYS[:1])
    assert ready.asks_for_the_index()


def test_a_bad_state_does_not_reach_the_index(ready: World) -> None:
    ready.fill(NAMES[2], KEYS[:1], sound=False)
    assert not ready.asks_for_the_index()
    ready.fill(NAMES[2], KEYS[:1])
    assert ready.asks_for_the_index()


def test_what_builds_the_index_is_on_from_the_start_and_builds_nothing_else() -> None:
    assert AUTOMATION.default_status is dg.DefaultSensorStatus.RUNNING
    graph = defs.resolve_asset_graph()
    assert [key for key in graph.get_all_asset_keys() if graph.get(key).automation_condition] == [INDEX]
    automations = [
        sensor for sensor in defs.sensors or () if isinstance(sensor, dg.AutomationConditionSensorDefinition)
    ]
    assert [sensor.name for sensor in automations] == ["build_index"]
