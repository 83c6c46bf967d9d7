"""The words the services exchange. Pydantic and the standard library only: no I/O, no clock."""
