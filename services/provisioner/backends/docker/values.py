"""The secret values as the shell in a container reads them. Pure."""

import shlex
from collections.abc import Mapping


def exports(values: Mapping[str, str]) -> bytes:
    """Return lines of POSIX sh that put the values into the environment."""
    lines = (f"export {name}={shlex.quote(value)}\n" for name, value in sorted(values.items()))
    return ("# values\n" + "".join(lines)).encode()


def framed(lines: bytes) -> bytes:
    """Return the lines so that ``inside/entry`` can tell whether all of them came."""
    return b"%d\n%bend\n" % (len(lines), lines)
