"""The platform's own images: ``<name>.in`` says what is wanted, ``<name>.txt`` is its lock.

A lock is universal (every Python and Linux platform the name of the file promises) and carries
hashes, so a built-in image is the same wherever and whenever it is built.
"""

from importlib.resources import files


def builtin_names() -> tuple[str, ...]:
    """Return the names of all built-in images, sorted."""
    locks = (entry.name for entry in files(__name__).iterdir() if entry.name.endswith(".txt"))
    return tuple(sorted(name.removesuffix(".txt") for name in locks))


def read_builtin(name: str) -> str | None:
    """Return the lock of a built-in image, or ``None`` when there is none of that name."""
    if name not in builtin_names():
        return None
    return (files(__name__) / f"{name}.txt").read_text(encoding="utf-8")
