"""``/metrics`` on the api's own port, where all services are one process.

In the distributed form each service answers it on its internal port, and nothing does here.
"""

from fastapi import APIRouter, Response

from cassini.runtime.scrape import CONTENT_TYPE
from services.api.access import Action, access
from services.api.context import ContextDep

router = APIRouter(include_in_schema=False)


@router.get("/metrics", openapi_extra=access(Action.OBSERVE))
async def get_metrics(api: ContextDep) -> Response:
    """Get what all services count and measure, in Prometheus' text format."""
    return Response(await api.metrics(), media_type=CONTENT_TYPE)
