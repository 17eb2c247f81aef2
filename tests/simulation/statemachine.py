"""Step Functions in virtual time: runs the state machines of `infra/*.asl.json` as they stand.

Source: Amazon States Language, https://states-language.net/spec.html, and the AWS Step Functions Developer Guide
("Handling errors", "Distributed Map", "Input and output processing"). A field, an operator or a path that the
interpreter does not know is an AssertionError, so that a state machine never means something else here than on AWS.

    Machine      a definition, checked as a whole before it runs
    Executions   start, describe and stop; a name is used once
    Run          one branch: the execution itself, or an item of a Map, as a generator of effects
"""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

Json = Any
#: A transition takes so long: a token figure, which keeps equal moments apart.
TRANSITION_SECONDS = 0.02
INLINE_CONCURRENCY, DISTRIBUTED_CONCURRENCY = 40, 10_000  # where MaxConcurrency is 0

_COMMON = {"Type", "Comment"}
_FLOW = {"Next", "End"}
_RESULT = {"ResultPath", "ResultSelector"}
_ERRORS = {"Retry", "Catch"}
FIELDS: dict[str, set[str]] = {
    "Task": _COMMON | _FLOW | _RESULT | _ERRORS | {"Resource", "Parameters", "TimeoutSeconds"},
    "Map": _COMMON
    | _FLOW
    | _RESULT
    | _ERRORS
    | {"Label", "ItemsPath", "ItemReader", "ItemSelector", "ItemProcessor", "MaxConcurrency", "MaxConcurrencyPath"},
    "Pass": _COMMON | _FLOW | {"ResultPath", "Result", "Parameters"},
    "Wait": _COMMON | _FLOW | {"Seconds", "SecondsPath"},
    "Choice": _COMMON | {"Choices", "Default"},
    "Succeed": _COMMON,
    "Fail": {"Type", "Comment", "Error", "Cause", "ErrorPath", "CausePath"},
}
RETRIER_FIELDS = {
    "Comment",
    "ErrorEquals",
    "IntervalSeconds",
    "BackoffRate",
    "MaxDelaySeconds",
    "MaxAttempts",
    "JitterStrategy",
}
CATCHER_FIELDS = {"Comment", "ErrorEquals", "Next", "ResultPath"}
# No retrier and no catcher of States.ALL takes these.
TERMINAL_ERRORS = {"States.DataLimitExceeded", "States.Runtime"}


class StateError(Exception):
    """A state has failed: the error's name, and its cause as text."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause

    def document(self) -> Json:
        return {"Error": self.error, "Cause": self.cause}


class Time(Protocol):
    """What the interpreter needs of the timeline."""

    seconds: float

    def at(self, moment: float, action: Callable[[], None]) -> None: ...


Resume = Callable[[Json], None]
Refuse = Callable[[StateError], None]
#: Begins something; later one of its arguments is called.
Effect = Callable[[Resume, Refuse], None]
Steps = Generator[Effect, Json, Json]
#: Invokes the function of this name with a payload.
Invoke = Callable[[str, Json, Resume, Refuse], None]
#: Reads the object of this bucket and key as Step Functions itself does.
ReadObject = Callable[[str, str, Callable[[bytes], None], Refuse], None]


class Machine:
    """
    Args:
        substitutions: what `${Name}` stands for in the definition.
    """

    def __init__(self, arn: str, definition: str, substitutions: Mapping[str, str] | None = None) -> None:
        values = substitutions or {}
        text = re.sub(r"\$\{(\w+)\}", lambda found: values.get(found[1], found[1]), definition)
        self.arn, self.name = arn, arn.rpartition(":")[2]
        self.definition = json.loads(text)
        _known(self.definition, {"Comment", "StartAt", "TimeoutSeconds", "States"})
        _check_states(self.definition)
        names = list(_names(self.definition))
        assert len(names) == len(set(names)), f"AWS refuses two states of one name: {names}"

    @classmethod
    def read(cls, arn: str, path: Path) -> Machine:
        return cls(arn, path.read_text())


@dataclass
class Execution:
    arn: str
    name: str
    machine: Machine
    input: str
    started_at: float
    status: str = "RUNNING"
    output: Json = None
    error: StateError | None = None
    ended_at: float | None = None
    #: the states entered, for whoever looks at what happened
    path: list[str] = field(default_factory=list)


@dataclass
class Run:
    """A branch; when it or one that it stands in has ended, nothing that was begun for it counts any more."""

    execution: Execution
    parent: Run | None = None
    item: Json = None
    is_over: bool = False

    @property
    def is_alive(self) -> bool:
        return not self.is_over and (self.parent is None or self.parent.is_alive)


class ExecutionAlreadyExists(Exception):
    pass


class Executions:
    """
    Args:
        fraction: gives numbers in [0, 1), for JitterStrategy.
    """

    def __init__(
        self, time: Time, invoke: Invoke, read_object: ReadObject, fraction: Callable[[], float] = lambda: 1.0
    ) -> None:
        self._time, self._invoke, self._read_object, self._fraction = time, invoke, read_object, fraction
        self.machines: dict[str, Machine] = {}
        self.all: dict[str, Execution] = {}

    def start(self, machine_arn: str, name: str, text: str) -> Execution:
        """Start an execution. A name is used once: again with the same input it gives the execution that runs.

        Raises:
            ExecutionAlreadyExists: the name has another input, or its execution is over.
        """
        machine = self.machines[machine_arn]
        arn = f"{machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
        if known := self.all.get(arn):
            if known.status == "RUNNING" and known.input == text:
                return known
            raise ExecutionAlreadyExists(arn)
        execution = Execution(arn, name, machine, text, self._time.seconds)
        self.all[arn] = execution
        run = Run(execution)
        steps = self._states(run, machine.definition, json.loads(text))
        self._drive(run, steps, partial(self._succeed, run), partial(self._fail, run))
        if limit := machine.definition.get("TimeoutSeconds"):
            self._time.at(self._time.seconds + limit, lambda: self._end(run, "TIMED_OUT", StateError("States.Timeout")))
        return execution

    def stop(self, arn: str) -> None:
        """Abort an execution. Functions that it has invoked go on."""
        self._end_of(self.all[arn], "ABORTED")

    def running(self) -> list[Execution]:
        return [execution for execution in self.all.values() if execution.status == "RUNNING"]

    # Ends

    def _end_of(self, execution: Execution, status: str, error: StateError | None = None) -> None:
        if execution.status == "RUNNING":
            execution.status, execution.error, execution.ended_at = status, error, self._time.seconds

    def _end(self, run: Run, status: str, error: StateError | None = None) -> None:
        if not run.is_over:
            run.is_over = True
            self._end_of(run.execution, status, error)

    def _succeed(self, run: Run, output: Json) -> None:
        if run.execution.status == "RUNNING":
            run.execution.output = output
        self._end(run, "SUCCEEDED")

    def _fail(self, run: Run, error: StateError) -> None:
        self._end(run, "FAILED", error)

    # Driving

    def _drive(self, run: Run, steps: Steps, done: Resume, failed: Refuse) -> None:
        """Run a generator of effects; each continues once, and only while its branch is alive."""

        def step(advance: Callable[[], Effect]) -> None:
            if not run.is_alive or run.execution.status != "RUNNING":
                return
            try:
                effect = advance()
            except StopIteration as end:
                done(end.value)
            except StateError as error:
                failed(error)
            else:
                begin(effect)

        def begin(effect: Effect) -> None:
            answered: list[bool] = []

            def once(advance: Callable[[], Effect]) -> None:
                if not answered:
                    answered.append(True)
                    self._time.at(self._time.seconds + TRANSITION_SECONDS, lambda: step(advance))

            effect(
                lambda value: once(lambda: steps.send(value)),
                lambda error: once(lambda: steps.throw(error)),
            )

        self._time.at(self._time.seconds, lambda: step(lambda: next(steps)))

    def _states(self, run: Run, machine: Json, document: Json) -> Steps:
        name = machine["StartAt"]
        while True:
            state = machine["States"][name]
            run.execution.path.append(name)
            context = self._context(run, name)
            kind = state["Type"]
            if kind == "Fail":
                raise _failure(state, document, context)
            if kind == "Succeed":
                return document
            if kind == "Choice":
                name = _choice(state, document, context)
                yield lambda resume, _: resume(None)
                continue
            next_name, document = yield from self._guarded(run, state, document, context)
            if next_name is None:
                return document
            name = next_name

    def _context(self, run: Run, name: str) -> dict[str, Any]:
        execution = run.execution
        context = {
            "Execution": {"Id": execution.arn, "Name": execution.name, "Input": json.loads(execution.input)},
            "State": {"Name": name, "RetryCount": 0},
            "StateMachine": {"Id": execution.machine.arn, "Name": execution.machine.name},
        }
        if run.item is not None:
            context["Map"] = {"Item": run.item}
        return context

    def _guarded(self, run: Run, state: Json, document: Json, context: dict[str, Any]) -> Steps:
        """A state with its retriers and catchers; the next state's name (None at the end) and its input."""
        used = [0] * len(state.get("Retry", []))
        while True:
            try:
                result = yield from getattr(self, f"_{state['Type']}")(run, state, document, context)
            except StateError as error:
                delay = self._retry_delay(state, error, used)
                if delay is None:
                    return _caught(state, error, document)
                context["State"]["RetryCount"] += 1
                yield self._waiting(delay)
                continue
            if "ResultSelector" in state:
                result = _template(state["ResultSelector"], result, context)
            return state.get("Next"), _placed(state.get("ResultPath", "$"), document, result)

    def _retry_delay(self, state: Json, error: StateError, used: list[int]) -> float | None:
        """Seconds until the next attempt; None when no retrier takes the error, or its attempts are used up."""
        for number, retrier in enumerate(state.get("Retry", [])):
            if not _matches(retrier["ErrorEquals"], error):
                continue
            if used[number] >= retrier.get("MaxAttempts", 3):
                return None
            delay = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** used[number]
            delay = min(delay, retrier.get("MaxDelaySeconds", 31_622_400))
            used[number] += 1
            return float(delay * self._fraction() if retrier.get("JitterStrategy") == "FULL" else delay)
        return None

    def _waiting(self, seconds: float) -> Effect:
        return lambda resume, _: self._time.at(self._time.seconds + seconds, lambda: resume(None))

    # States

    def _Task(self, run: Run, state: Json, document: Json, context: Json) -> Steps:
        payload = _template(state["Parameters"], document, context) if "Parameters" in state else document

        def effect(resume: Resume, refuse: Refuse) -> None:
            self._time.at(
                self._time.seconds + state.get("TimeoutSeconds", 99_999_999),
                lambda: refuse(StateError("States.Timeout")),
            )
            self._invoke(state["Resource"], payload, resume, refuse)

        return (yield effect)

    def _Pass(self, run: Run, state: Json, document: Json, context: Json) -> Steps:
        yield lambda resume, _: resume(None)
        if "Parameters" in state:
            return _template(state["Parameters"], document, context)
        return copy.deepcopy(state.get("Result", document))

    def _Wait(self, run: Run, state: Json, document: Json, context: Json) -> Steps:
        seconds = state["Seconds"] if "Seconds" in state else _path(state["SecondsPath"], document, context)
        if not isinstance(seconds, int) or seconds < 0:
            raise StateError("States.Runtime", f"{seconds!r} is not a whole number of seconds")
        yield self._waiting(seconds)
        return document

    def _Map(self, run: Run, state: Json, document: Json, context: Json) -> Steps:
        is_distributed = state["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED"
        items = (
            (yield self._reading(state["ItemReader"], document, context))
            if "ItemReader" in state
            else _path(state.get("ItemsPath", "$"), document, context)
        )
        if not isinstance(items, list):
            raise StateError("States.ItemReaderFailed" if is_distributed else "States.Runtime", "no list of items")
        inputs = []
        for index, item in enumerate(items):
            place = {"Index": index, "Value": item}
            chosen = state.get("ItemSelector")
            within = {**context, "Map": {"Item": place}}
            inputs.append((place, item if chosen is None else _template(chosen, document, within)))
        limit = state.get("MaxConcurrency", 0)
        if "MaxConcurrencyPath" in state:
            limit = _path(state["MaxConcurrencyPath"], document, context)
            if not isinstance(limit, int) or limit < 0:
                raise StateError("States.Runtime", f"{limit!r} is no number of items")
        limit = limit or (DISTRIBUTED_CONCURRENCY if is_distributed else INLINE_CONCURRENCY)
        return (yield partial(self._side_by_side, run, state["ItemProcessor"], inputs, limit, is_distributed))

    def _reading(self, reader: Json, document: Json, context: Json) -> Effect:
        where = _template(reader["Parameters"], document, context)

        def effect(resume: Resume, refuse: Refuse) -> None:
            def parse(data: bytes) -> None:
                try:
                    node = json.loads(data)
                    for part in filter(None, reader["ReaderConfig"].get("ItemsPointer", "").split("/")):
                        node = node[part]
                except (ValueError, KeyError, TypeError) as error:
                    refuse(StateError("States.ItemReaderFailed", repr(error)))
                else:
                    resume(node)

            self._read_object(where["Bucket"], where["Key"], parse, refuse)

        return effect

    def _side_by_side(
        self,
        run: Run,
        processor: Json,
        inputs: list[tuple[Json, Json]],
        limit: int,
        is_distributed: bool,
        resume: Resume,
        refuse: Refuse,
    ) -> None:
        results: list[Json] = [None] * len(inputs)
        waiting: Iterator[int] = iter(range(len(inputs)))
        group = Run(run.execution, run)
        left = itertools.count(len(inputs) - 1, -1)

        def begin_next() -> None:
            number = next(waiting, None)
            if number is not None:
                place, document = inputs[number]
                branch = Run(run.execution, group, place)
                steps = self._states(branch, processor, copy.deepcopy(document))
                self._drive(branch, steps, partial(done, number), failed)

        def done(number: int, result: Json) -> None:
            results[number] = result
            if next(left) == 0:
                resume(results)
            else:
                begin_next()

        def failed(error: StateError) -> None:
            group.is_over = True
            refuse(StateError("States.ExceedToleratedFailureThreshold", str(error)) if is_distributed else error)

        if not inputs:
            resume([])
        for _ in range(min(limit, len(inputs))):
            begin_next()


# Checks of a definition


def _known(document: Mapping[str, Any], known: Iterable[str]) -> None:
    assert document.keys() <= set(known), f"unknown: {sorted(document.keys() - set(known))}"


def _names(machine: Json) -> Iterator[str]:
    """The names of all states, those within Maps too."""
    for name, state in machine["States"].items():
        yield name
        yield from _names(state.get("ItemProcessor", {"States": {}}))


def _check_states(machine: Json) -> None:
    states = machine["States"]
    assert machine["StartAt"] in states
    for name, state in states.items():
        kind = state["Type"]
        assert kind in FIELDS, kind
        _known(state, FIELDS[kind])
        targets = [state[key] for key in ("Next", "Default") if key in state]
        for retrier in state.get("Retry", []):
            _known(retrier, RETRIER_FIELDS)
            assert retrier.get("JitterStrategy", "NONE") in ("NONE", "FULL")
        for catcher in state.get("Catch", []):
            _known(catcher, CATCHER_FIELDS)
            targets.append(catcher["Next"])
        targets += [choice["Next"] for choice in state.get("Choices", [])]
        assert set(targets) <= states.keys(), (name, targets)
        if kind in ("Task", "Map", "Pass", "Wait"):
            assert ("Next" in state) != (state.get("End") is True), name
        if kind == "Map":
            _check_map(state)


def _check_map(state: Json) -> None:
    processor = state["ItemProcessor"]
    _known(processor, {"ProcessorConfig", "StartAt", "States", "Comment"})
    config = processor["ProcessorConfig"]
    _known(config, {"Mode", "ExecutionType"})
    assert config["Mode"] in ("INLINE", "DISTRIBUTED")
    if reader := state.get("ItemReader"):
        assert config["Mode"] == "DISTRIBUTED"
        _known(reader, {"Resource", "ReaderConfig", "Parameters"})
        _known(reader["ReaderConfig"], {"InputType", "ItemsPointer"})
        assert reader["Resource"].endswith(":states:::s3:getObject"), reader["Resource"]
        assert reader["ReaderConfig"]["InputType"] == "JSON"
    _check_states(processor)


# Errors


def _matches(names: list[str], error: StateError) -> bool:
    if error.error in names:
        return True
    if "States.TaskFailed" in names and error.error != "States.Timeout":
        return True
    return "States.ALL" in names and error.error not in TERMINAL_ERRORS


def _caught(state: Json, error: StateError, document: Json) -> tuple[str, Json]:
    for catcher in state.get("Catch", []):
        if _matches(catcher["ErrorEquals"], error):
            return catcher["Next"], _placed(catcher.get("ResultPath", "$"), document, error.document())
    raise error


def _failure(state: Json, document: Json, context: Json) -> StateError:
    def text(name: str) -> str:
        return str(_path(state[f"{name}Path"], document, context) if f"{name}Path" in state else state.get(name, ""))

    return StateError(text("Error"), text("Cause"))


# Data


def _path(path: str, document: Json, context: Json) -> Json:
    """What a reference path (`$.a.b[0]`, `$$.Map.Item.Value`) stands for.

    Raises:
        StateError: there is nothing (States.ParameterPathFailure).
    """
    assert re.fullmatch(r"\$\$?(\.\w+|\[\d+\])*", path), f"unknown path: {path}"
    node = context if path.startswith("$$") else document
    for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", path):
        try:
            node = node[name] if name else node[int(index)]
        except (KeyError, IndexError, TypeError):
            raise StateError("States.ParameterPathFailure", f"{path} is not in {document!r}") from None
    return copy.deepcopy(node)


def _placed(path: str | None, document: Json, result: Json) -> Json:
    """The state's output: ResultPath null drops the result, `$` puts it in the document's place."""
    if path is None:
        return document
    assert re.fullmatch(r"\$(\.\w+)*", path), f"unknown path: {path}"
    names = path.split(".")[1:]
    if not names:
        return result
    output = node = copy.deepcopy(document)
    for name in names[:-1]:
        node = node.setdefault(name, {})
    node[names[-1]] = result
    return output


def _template(template: Json, document: Json, context: Json) -> Json:
    """A payload template: members whose name ends in `.$` are paths."""
    if isinstance(template, list):
        return [_template(value, document, context) for value in template]
    if not isinstance(template, dict):
        return template
    return {
        name.removesuffix(".$"): _path(value, document, context)
        if name.endswith(".$")
        else _template(value, document, context)
        for name, value in template.items()
    }


_Test = Callable[[Json, Json], bool]


def _of_kind(kind: type | tuple[type, ...], test: _Test) -> _Test:
    """A comparison that is false for values of another kind."""

    def compare(value: Json, wanted: Json) -> bool:
        return isinstance(value, kind) and (kind is bool or not isinstance(value, bool)) and test(value, wanted)

    return compare


OPERATORS: dict[str, _Test] = {
    "StringEquals": _of_kind(str, lambda a, b: a == b),
    "BooleanEquals": _of_kind(bool, lambda a, b: a is b),
    "NumericEquals": _of_kind((int, float), lambda a, b: a == b),
    "NumericLessThan": _of_kind((int, float), lambda a, b: a < b),
    "NumericLessThanEquals": _of_kind((int, float), lambda a, b: a <= b),
    "NumericGreaterThan": _of_kind((int, float), lambda a, b: a > b),
    "NumericGreaterThanEquals": _of_kind((int, float), lambda a, b: a >= b),
    "IsNull": lambda a, b: (a is None) is b,
}


def _choice(state: Json, document: Json, context: Json) -> str:
    for rule in state["Choices"]:
        if _holds({name: value for name, value in rule.items() if name not in ("Next", "Comment")}, document, context):
            return str(rule["Next"])
    if "Default" not in state:
        raise StateError("States.NoChoiceMatched")
    return str(state["Default"])


def _holds(rule: Json, document: Json, context: Json) -> bool:
    if "And" in rule or "Or" in rule:
        ((kind, rules),) = rule.items()
        return (all if kind == "And" else any)(_holds(part, document, context) for part in rules)
    if "Not" in rule:
        _known(rule, {"Not"})
        return not _holds(rule["Not"], document, context)
    (operator,) = rule.keys() - {"Variable"}
    if operator == "IsPresent":
        try:
            _path(rule["Variable"], document, context)
        except StateError:
            return rule["IsPresent"] is False
        return rule["IsPresent"] is True
    assert operator in OPERATORS, f"unknown: {operator}"
    return OPERATORS[operator](_path(rule["Variable"], document, context), rule[operator])
