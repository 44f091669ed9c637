"""Answers that were right until something garbled them: cut, at odds with themselves, or with a nonsense time."""

import json
from collections.abc import Callable
from typing import Any

from bulksend.sandbox import refusal
from bulksend.sandbox.faults import FaultKind

_NONSENSE_START = 4102444800.25
"""The year 2100."""


def delivered(body: bytes) -> set[int]:
    """The ids of the messages that an answer says were delivered."""
    answer = json.loads(body)
    return {result for result in _results(answer).values() if type(result) is int}


def _results(answer: dict[str, Any]) -> dict[str, Any]:
    """The results by their call's key; a single call's under an empty key."""
    if not _is_batch(answer):
        return {"": answer["result"]} if "result" in answer else {}
    results = answer["result"]["result"]
    return results if isinstance(results, dict) else {str(place): item for place, item in enumerate(results)}


def _is_batch(answer: dict[str, Any]) -> bool:
    result = answer.get("result")
    return isinstance(result, dict) and "result_error" in result


def _result_and_error(answer: dict[str, Any]) -> None:
    if _is_batch(answer):
        answer["result"]["result_error"] = dict.fromkeys(_results(answer), refusal.QUERY_LIMIT.as_json())
    else:
        answer |= refusal.QUERY_LIMIT.as_json()


def _empty_error(answer: dict[str, Any]) -> None:
    nothing = {"error": "", "error_description": ""}
    if _is_batch(answer):
        answer["result"] |= {"result": [], "result_error": dict.fromkeys(_results(answer), nothing)}
    else:
        answer.pop("result", None)
        answer |= nothing


def _short_list(answer: dict[str, Any]) -> None:
    answer["result"]["result"] = list(_results(answer).values())[1:]


def _one_id(answer: dict[str, Any]) -> None:
    results = _results(answer)
    answer["result"]["result"] = dict.fromkeys(results, next(iter(results.values()), 0))


def _nonsense_start(answer: dict[str, Any]) -> None:
    for time in (answer["time"], *(answer["result"]["result_time"].values() if _is_batch(answer) else ())):
        time["start"] = _NONSENSE_START


def _changed(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    def garble(body: bytes) -> bytes:
        answer = json.loads(body)
        if "result" in answer:  # a refusal is left as it is
            change(answer)
        return json.dumps(answer).encode()

    return garble


GARBLED: dict[FaultKind, Callable[[bytes], bytes]] = {
    FaultKind.BROKEN_JSON: lambda body: body[: len(body) // 2],
    FaultKind.RESULT_AND_ERROR: _changed(_result_and_error),
    FaultKind.EMPTY_ERROR: _changed(_empty_error),
    FaultKind.SHORT_LIST: _changed(_short_list),
    FaultKind.ONE_ID: _changed(_one_id),
    FaultKind.NONSENSE_START: _changed(_nonsense_start),
}
"""How each of these faults changes the body of an answer."""
