"""Tool definitions and calls of published data sets, in the form that chat templates take."""

from __future__ import annotations

import json
from typing import Any

from art.tasks.candidate import Unfit


def definition(tool: Any) -> dict[str, Any]:
    """``{"type": "function", "function": {"name", "description", "parameters"}}``, parameters as a JSON schema.

    Published forms differ: the function may be unwrapped, or wrapped once or twice; ``parameters`` may be called
    ``arguments`` and may be a bare map of arguments; ``required`` may stand beside it instead of in it.

    Raises:
        Unfit: ``tool`` has none of these forms.
    """
    function = tool
    while isinstance(function, dict) and "function" in function:
        function = function["function"]
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
        raise Unfit("malformed_tool")
    given = function.get("parameters", function.get("arguments"))
    given = {} if given is None else given
    if not isinstance(given, dict) or not isinstance(given.get("properties", {}), dict):
        raise Unfit("malformed_tool")
    bare = {name: field for name, field in given.items() if isinstance(field, dict)}
    schema = given if "properties" in given else {"type": "object", "properties": bare}
    if isinstance(function.get("required"), list):
        schema = {"required": function["required"], **schema}
    description = function.get("description")
    return {
        "type": "function",
        "function": {
            "name": function["name"],
            "description": description if isinstance(description, str) else "",
            "parameters": schema,
        },
    }


def call(tool_call: Any) -> dict[str, Any]:
    """``{"name", "arguments"}`` of a call, arguments as an object.

    Raises:
        Unfit: the call has no name, or its arguments are neither an object nor the JSON of one.
    """
    function = tool_call.get("function", tool_call) if isinstance(tool_call, dict) else None
    name, arguments = (function.get("name"), function.get("arguments")) if isinstance(function, dict) else (None, None)
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            raise Unfit("malformed_call") from None
    if not isinstance(name, str) or not name or not isinstance(arguments, dict):
        raise Unfit("malformed_call")
    return {"name": name, "arguments": arguments}


def gold_answer(wanted: dict[str, Any]) -> str:
    """The call as the gold answer of a problem with the scorer ``tool_call``.

    Raises:
        Unfit: the call holds a value that JSON cannot hold (an infinite number).
    """
    try:
        return json.dumps(wanted, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise Unfit("malformed_call") from None
