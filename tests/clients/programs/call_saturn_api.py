"""Calls operations of saturn_api as it is told, a line of JSON each: see ``remote.py``.

An operation is named as the package names it: ``workspaces.create`` is ``WorkspacesApi.create``.
What it returned is read out of its model, so all that arrives was parsed by the strict client.
"""

import asyncio
import json
import re
import sys
import traceback

import saturn_api
from pydantic import BaseModel
from saturn_api.api_response import ApiResponse

WHOLE = "_with_http_info"


def area_name(kind: type) -> str:
    """Return ``image_tags`` for ``ImageTagsApi``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__.removesuffix("Api")).lower()


AREAS = {
    area_name(kind): kind
    for name, kind in vars(saturn_api).items()
    if name.endswith("Api") and isinstance(kind, type)
}


def operations() -> list[str]:
    """Return the names of all operations of the package."""
    return [
        f"{area}.{method.removesuffix(WHOLE)}"
        for area, kind in AREAS.items()
        for method in vars(kind)
        if method.endswith(WHOLE)
    ]


def client(token: str | None) -> saturn_api.ApiClient:
    """Return a client with this token, or without any."""
    configuration = saturn_api.Configuration(access_token=token or "")
    configuration.access_token = token
    return saturn_api.ApiClient(configuration)


def plain(answer: ApiResponse) -> dict:
    """Return an answer as JSON: its status, and the model that its status promised."""
    data = answer.data
    shown = data.model_dump(mode="json", by_alias=True) if isinstance(data, BaseModel) else data
    return {"status": answer.status_code, "value": shown}


async def answer_to(api: saturn_api.ApiClient, call: dict) -> dict:
    """Return what an operation returned, or why it did not."""
    area, _, operation = call["name"].partition(".")
    try:
        method = getattr(AREAS[area](api), operation + WHOLE)
        return plain(await method(*call["words"], **call["named"]))
    except saturn_api.ApiException as refusal:
        return {"status": refusal.status, "body": refusal.body}
    except Exception:  # noqa: BLE001 - the one who asked is told
        return {"failed": traceback.format_exc()}


async def main() -> None:
    """Answer until the input ends."""
    clients: dict[str | None, saturn_api.ApiClient] = {}
    while line := await asyncio.to_thread(sys.stdin.readline):
        call = json.loads(line)
        if call["name"] == "operations":
            answer = {"value": operations()}
        else:
            token = call["token"]
            answer = await answer_to(clients.setdefault(token, client(token)), call)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
