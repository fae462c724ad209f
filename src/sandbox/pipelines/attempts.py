"""The steps of one execution: how each begins, and what has become of it.

A step's name for what it makes is on disk before it is made, and how it ended before another begins: whoever
finds the record later finds out what happened.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sandbox.api.errors import AwsError
from sandbox.pipelines import conditions, retries
from sandbox.pipelines.caching import KEY_ARGUMENTS, cache_key
from sandbox.pipelines.calls import Caller, is_fault, is_throttled
from sandbox.pipelines.names import EXECUTION
from sandbox.pipelines.progress import CUT_OFF, PROPERTIES, RETRY_AT, STEPS, is_stopping, running
from sandbox.pipelines.retries import Problem
from sandbox.pipelines.steps import MADE, Made, tags_of
from sandbox.pipelines.values import StepError, Values, resolve
from sandbox.s3_files import S3Error, S3Files

if TYPE_CHECKING:
    from sandbox.context import Context
    from sandbox.pipelines.definition import Definition, Step

MARK, CACHE_KEY = "_mark", "_cache_key"
_MAX_REASON_CHARS = 1024
NEVER_MADE = "InternalServerError: The sandbox ended before this step had made anything."
Record = dict[str, Any]


class Attempts:
    """The steps of one execution.

    Args:
        context: Its records, S3 and permissions.
        region: Of the execution.
        name: Of the execution, its id; its record exists.
        definition: That it runs.
    """

    def __init__(self, context: Context, region: str, name: str, definition: Definition) -> None:
        self._context, self._region, self._name = context, region, name
        self._definition = definition
        self._call = Caller(context, region)
        self.is_unseen = False  # whether a look at what runs was not answered, and comes again

    def begin(self, record: Record, step: Step) -> None:
        """Begin a step, for the first time or again."""
        earlier = record[STEPS].get(step.name, {})
        now_s = time.time()
        begun = {
            "StepName": step.name,
            "StepDisplayName": step.display_name or None,
            "StepDescription": step.description or None,
            "StartTime": earlier.get("StartTime", now_s),
            "AttemptCount": earlier.get("AttemptCount", 0) + 1,
            "Metadata": {},
        }
        try:
            match step.type:
                case "Condition":
                    holds = conditions.all_hold(step.conditions, self._values(record))
                    outcome = "True" if holds else "False"
                    self._succeed(begun, {"Condition": {"Outcome": outcome}}, {"Outcome": holds})
                case "Fail":
                    self._fail_as_asked(begun, resolve(step.arguments, self._values(record)))
                case _:
                    self._begin_making(record, step, begun)
        except StepError as error:
            self._end_badly(begun, step, Problem(str(error)))

    def look(self, record: Record, name: str, *, is_last: bool = False) -> None:
        """See what has become of what a running step made, and write it down.

        Args:
            record: Of the execution.
            name: Of the step.
            is_last: The sandbox has ended: nothing is tried again, and what was not made will not be.
        """
        step, begun = self._definition.steps[name], record[STEPS][name]
        made = MADE[step.type]
        if MARK not in begun:
            if is_last:
                self._end_badly(begun, step, Problem(begun.get("FailureReason") or NEVER_MADE), is_last=True)
            return
        try:
            state = made.state(self._call, begun[MARK])
        except AwsError as error:  # never tried again: what was made would be made twice
            if not is_last and (is_throttled(error) or is_fault(error)):
                self.is_unseen = True
                return
            self._end_badly(begun, step, retries.of_look(error), is_last=is_last)
            return
        if state is None:
            gone = NEVER_MADE if is_last else f"ClientError: {begun[MARK]} was deleted."
            self._end_badly(begun, step, Problem(gone), is_last=is_last)
        elif state.properties is not None:
            self._succeed(begun, state.metadata, state.properties)
        elif not state.is_running:
            begun = {**begun, "Metadata": state.metadata}
            problem = retries.of_job(state.failure, is_stopped=state.is_stopped)
            self._end_badly(begun, step, problem, is_last=is_last)

    def is_any_running(self, record: Record) -> bool:
        """Return whether something runs that a step has made."""
        return any(
            (state := MADE[self._definition.steps[name].type].state(self._call, begun[MARK])) is not None
            and state.is_running
            for name, begun in running(record).items()
            if MARK in begun
        )

    def stop(self, record: Record) -> None:
        """Ask everything that runs to stop; what waits to be tried again has nothing to stop."""
        for name, begun in record[STEPS].items():
            if begun["StepStatus"] not in ("Starting", "Executing"):
                continue
            if MARK not in begun:
                self._write({**_without_ours(begun), "StepStatus": "Stopped", "EndTime": time.time()})
                continue
            self._write({**begun, "StepStatus": "Stopping"})
            try:
                MADE[self._definition.steps[name].type].stop(self._call, begun[MARK])
            except AwsError:  # it has ended meanwhile, or may not be stopped: then its end is awaited
                continue

    def _begin_making(self, record: Record, step: Step, begun: Record) -> None:
        made = MADE[step.type]
        mark = made.mark(self._name, step)
        arguments = resolve(step.arguments, self._values(record, **{f"{made.metadata}Name": mark}))
        if step.type in KEY_ARGUMENTS:
            begun[CACHE_KEY] = cache_key(step, arguments)
            if hit := self._cached(record, step, begun[CACHE_KEY]):
                source_arn, earlier = hit
                begun["CacheHitResult"] = {"SourcePipelineExecutionArn": source_arn}
                self._succeed(begun, earlier["Metadata"], earlier[PROPERTIES])
                return
        begun[MARK] = mark
        self._write({**begun, "StepStatus": "Starting"})
        tags = tags_of(record["PipelineExecutionArn"], step.name)
        self._make(step, made, begun, made.request(arguments, mark, tags))

    def _make(self, step: Step, made: Made, begun: Record, request: Record) -> None:
        try:
            metadata = made.make(self._call, request)
        except AwsError as error:
            self._end_badly(begun, step, self._problem(step, error))
        else:
            self._write({**begun, "StepStatus": "Executing", "Metadata": metadata})

    def _cached(self, record: Record, step: Step, key: str) -> tuple[str, Record] | None:
        """Return the newest run of a step that may stand for a new one, with its execution's ARN."""
        if step.cache is None:
            return None
        found = [
            (begun["EndTime"], execution["PipelineExecutionArn"], begun)
            for execution in self._context.resources.all(EXECUTION, self._region)
            if execution["PipelineArn"] == record["PipelineArn"]
            and (begun := execution[STEPS].get(step.name)) is not None
            and begun["StepStatus"] == "Succeeded"
            and begun.get(CACHE_KEY) == key
            and "CacheHitResult" not in begun
        ]
        if not found:
            return None
        ended_s, arn, begun = max(found, key=lambda each: each[0])
        expires_s = step.cache.expire_after_s
        is_fresh = expires_s is None or time.time() - ended_s <= expires_s
        return (arn, begun) if is_fresh else None

    def _values(self, record: Record, **names: str) -> Values:
        """Return what the arguments of a step can refer to now."""
        return Values(
            definition=self._definition,
            parameters=record["_parameters"],
            execution={
                "PipelineName": record["_pipeline"],
                "PipelineArn": record["PipelineArn"],
                "PipelineExecutionId": self._name,
                "PipelineExecutionArn": record["PipelineExecutionArn"],
                "StartDateTime": _iso(record["CreationTime"]),
                "CurrentDateTime": _iso(time.time()),
                **names,
            },
            properties={name: step[PROPERTIES] for name, step in record[STEPS].items() if PROPERTIES in step},
            read=self._read,
        )

    def _read(self, uri: str) -> bytes:
        try:
            return S3Files(self._context.client("s3", self._region)).read(uri)
        except S3Error as error:
            raise AwsError("S3", str(error)) from error

    def _problem(self, step: Step, error: AwsError) -> Problem:
        operations = {"Model": "CreateModel", "RegisterModel": "CreateModelPackage"}
        operation = operations.get(step.type, f"Create{step.type}Job")
        record = self._context.resources.get(EXECUTION, self._region, self._name)
        return retries.of_call(operation, error, step, execution_arn=record["PipelineExecutionArn"])

    def _succeed(self, begun: Record, metadata: Record, properties: Record) -> None:
        ended = {"Metadata": metadata, "StepStatus": "Succeeded", "EndTime": time.time()}
        self._write({**begun, **ended, PROPERTIES: properties})

    def _fail_as_asked(self, begun: Record, arguments: Record) -> None:
        """Source: tests/integ/sagemaker/workflow/test_fail_steps.py of the SDK."""
        message = arguments.get("ErrorMessage") or ""
        ended = {"StepStatus": "Failed", "EndTime": time.time(), "FailureReason": message or None}
        self._write({**begun, **ended, "Metadata": {"Fail": {"ErrorMessage": message}}})

    def _end_badly(self, begun: Record, step: Step, problem: Problem, *, is_last: bool = False) -> None:
        """Write down that a step has failed or was stopped, or when it is tried again."""
        now_s = time.time()
        with self._changed() as record:
            stops = is_stopping(record)
            wait_s = None
            if not is_last and not stops:
                wait_s = retries.wait_s(
                    step.retry_policies,
                    problem,
                    num_attempts=begun["AttemptCount"],
                    running_s=now_s - begun["StartTime"],
                )
            ended = {**_without_ours(begun), "FailureReason": problem.reason[:_MAX_REASON_CHARS]}
            if wait_s is not None:
                ended |= {"StepStatus": "Starting", RETRY_AT: now_s + wait_s}
            else:
                status = "Stopped" if stops and problem.is_stopped else "Failed"
                ended |= {"StepStatus": status, "EndTime": now_s, CUT_OFF: is_last}
            record[STEPS][step.name] = ended
            record["LastModifiedTime"] = now_s

    def _write(self, begun: Record) -> None:
        with self._changed() as record:
            record[STEPS][begun["StepName"]] = begun
            record["LastModifiedTime"] = time.time()

    def _changed(self) -> AbstractContextManager[Record]:
        return self._context.resources.change(EXECUTION, self._region, self._name)


def _without_ours(begun: Record) -> Record:
    return {name: value for name, value in begun.items() if name not in (MARK, RETRY_AT)}


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
