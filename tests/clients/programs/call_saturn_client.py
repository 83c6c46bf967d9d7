"""Calls the library saturn_client as it is told, a line of JSON each: see ``remote.py``."""

import json
import sys
import traceback

from saturn_client import SaturnConnection
from saturn_client.core import SaturnHTTPError


def told(value: object) -> str:
    """Return what stands for a value that is no JSON: some methods return the whole response."""
    return f"<{type(value).__name__}>"


def answer_to(connection: SaturnConnection, call: dict) -> dict:
    """Return what a method returned, or why it did not."""
    try:
        found = getattr(connection, call["name"])
        return {"value": found(*call["words"], **call["named"]) if callable(found) else found}
    except SaturnHTTPError as refusal:
        return {"status": refusal.status_code, "body": str(refusal)}
    except Exception:  # noqa: BLE001 - the one who asked is told
        return {"failed": traceback.format_exc()}


if __name__ == "__main__":
    opened = SaturnConnection()
    for line in sys.stdin:
        print(json.dumps(answer_to(opened, json.loads(line)), default=told), flush=True)
