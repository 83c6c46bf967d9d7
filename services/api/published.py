"""``/openapi.json``: the description of this API, served as the file that it is.

It is written when Cassini is built (``openapi.py``). Who has it already is told so by its ETag.
"""

import asyncio
import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter, Request, Response

from services.api.access import Action, access

FILE = Path(__file__).with_name("openapi.json")

router = APIRouter(include_in_schema=False)


class Published(NamedTuple):
    """The file as it is served."""

    content: bytes
    etag: str


@router.get("/openapi.json", openapi_extra=access(Action.OPEN))
async def get_openapi_file(request: Request) -> Response:
    """Return the description of this API; 304 to who has it already."""
    published = await asyncio.to_thread(_published)
    headers = {"ETag": published.etag, "Cache-Control": "public, no-cache"}
    known = {tag.strip() for tag in request.headers.get("if-none-match", "").split(",")}
    if not known.isdisjoint({"*", published.etag, f"W/{published.etag}"}):
        return Response(status_code=304, headers=headers)
    return Response(published.content, media_type="application/json", headers=headers)


@cache
def _published() -> Published:
    content = FILE.read_bytes()
    return Published(content, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
