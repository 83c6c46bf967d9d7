"""Signing in with a password, signing out, and setting a password."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import StringConstraints
from sqlmodel import col, select

from cassini.runtime.database import after_commit
from cassini.runtime.errors import Forbidden, Unauthenticated
from services.api.access import Action, access
from services.api.auth.dependencies import CallerDep
from services.api.auth.models import User
from services.api.auth.origin import is_cross_site
from services.api.context import ContextDep
