"""The caller as a FastAPI dependency: ``async def route(caller: CallerDep)``."""

from typing import Annotated

from fastapi import Depends

from services.api.auth.authentication import find_caller, require_caller
from services.api.auth.caller import Caller

CallerDep = Annotated[Caller, Depends(require_caller)]
MaybeCallerDep = Annotated[Caller | None, Depends(find_caller)]
"""For open routes that answer differently to whom they know; None: nobody known is calling."""
