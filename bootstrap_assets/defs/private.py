"""What we use of Dagster that is not public, each because there is no public way.

Where a new version moves one, this is where to look; tests/dagster/test_private.py holds it to the version.
"""

from dagster._core.definitions.data_version import DataVersion
from dagster._core.definitions.executor_definition import (
    MULTI_PROC_CONFIG,
    multiple_process_executor_requirements,
)
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.errors import DagsterExecutionInterruptedError, DagsterUserCodeProcessError
from dagster._core.events import DagsterEvent, DagsterEventBatchMetadata, generate_event_batch_id
from dagster._core.execution.plan.execute_step import _build_data_version_tags as build_data_version_tags
from dagster._core.execution.plan.execute_step import _get_code_version as get_code_version
from dagster._core.execution.plan.execute_step import _get_input_provenance_data as get_input_provenance_data
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.base import Executor
from dagster._core.executor.in_process import InProcessExecutor
from dagster._core.executor.init import InitExecutorContext
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    CODE_LOCATION_TAG,
    PARTITION_NAME_TAG,
)
from dagster._serdes import ConfigurableClassData
from dagster_shared.error import SerializableErrorInfo

__all__ = [
    "ASSET_PARTITION_RANGE_END_TAG",
    "ASSET_PARTITION_RANGE_START_TAG",
    "CODE_LOCATION_TAG",
    "MULTI_PROC_CONFIG",
    "PARTITION_NAME_TAG",
    "SINGLETON_REPOSITORY_NAME",
    "CheckRunHealthResult",
    "ConfigurableClassData",
    "DagsterEvent",
    "DagsterEventBatchMetadata",
    "DagsterExecutionInterruptedError",
    "DagsterUserCodeProcessError",
    "DataVersion",
    "DefaultRunLauncher",
    "Executor",
    "InProcessExecutor",
    "InitExecutorContext",
    "LaunchRunContext",
    "RegisteredCodeLocationOrigin",
    "RemoteRepositoryOrigin",
    "RetryMode",
    "SerializableErrorInfo",
    "SqlEventLogStorageTable",
    "WorkerStatus",
    "build_data_version_tags",
    "generate_event_batch_id",
    "get_code_version",
    "get_input_provenance_data",
    "multiple_process_executor_requirements",
]
