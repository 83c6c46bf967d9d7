"""The caller as a FastAPI dependency: ``async def route(caller: CallerDep)``."""

from typing import Annotated

from fastapi import Depends

from services.api.auth.authentication import require_caller
from services.api.auth.caller import Caller

CallerDep = Annotated[Caller, Depends(require_caller)]
