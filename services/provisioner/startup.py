"""The script that prepares a pod and then becomes its main command. Pure; POSIX sh.

Each step appends ``<unix seconds> <step> <begin|done|failed> [exit code]`` to
``$CASSINI_REPORT`` and says in the log what it does. A step that fails says what to do about it
and ends the script with its exit code. All text of users arrives quoted.

The script takes from its environment: ``HOME``, ``PORT``, ``CASSINI_IMAGE`` (the environment the
image is), ``CASSINI_OVERLAY`` (the pod's own environment, made here), ``CASSINI_REPORT``, and,
where the backend has them, ``CASSINI_LISTEN`` (the address to listen on, else loopback) and
``XDG_RUNTIME_DIR`` (a private directory in memory; where there is none it makes one). The values of
secret files come in ``CASSINI_FILE_<n>``: each is written into memory before anything else runs,
its path becomes a link to it, and the variable goes, so that nothing that runs later has it.

The overlay is a virtual environment made by hand: its Python is the image's, a ``.pth`` file adds
the image's packages after its own. The shell's text stands in ``shell.py``.
"""

import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence

from cassini.contracts.workloads import ConfigFile, ExtraPackages, SecretFile, WorkloadSpec
from services.provisioner.kinds.base import HOME, InvalidSpec, KindPlan
from services.provisioner.shell import (
    DIRECTORIES,
    FILES,
    FIND_FOLDER,
    MAIN,
    MAIN_IN_DEBUG_MODE,
    MEMORY,
    OVERLAY,
    PACKAGES,
    PROLOGUE,
    START_SCRIPT,
    VALUE_FILES,
    WRITE_FILE,
    WRITE_VALUE,
)

MAX_SCRIPT_BYTES = 120_000
"""Linux gives one argument 128 KiB, and a backend may hand the script over as one."""

_MODE = re.compile(r"^0?[0-7]{3}$")


def build_script(workload_id: str, spec: WorkloadSpec, kind: KindPlan) -> str:
    """Return the script of a pod.

    Raises:
        InvalidSpec: the spec holds what no script can do; the text says what and where.
    """
    parts = [
        PROLOGUE,
        MEMORY % {"id": workload_id},
        FIND_FOLDER if spec.config_files or spec.secret_files else "",
        _secret_files(spec),
        OVERLAY,
        _directories(spec, kind),
        _files(spec.config_files),
        _packages(spec.extra_packages),
    ]
    if spec.start_script.strip():
        # A script that was written on Windows ends its lines in a way no shell takes.
        text = plain_text(spec.start_script, "the start script").replace("\r\n", "\n")
        parts.append(START_SCRIPT % {"script": shlex.quote(text)})
    parts.append((MAIN_IN_DEBUG_MODE if spec.debug_mode else MAIN) % {"main": kind.main})
    script = "".join(parts)
    if len(script.encode()) > MAX_SCRIPT_BYTES:
        raise InvalidSpec(
            "The configuration files, the start script and the package list are too long "
            f"together (more than {MAX_SCRIPT_BYTES} bytes): keep long files in the home directory."
        )
    return script


def _directories(spec: WorkloadSpec, kind: KindPlan) -> str:
    working = home_path(spec.working_directory)
    directories = " ".join(dict.fromkeys(('"$HOME"', working, *kind.directories)))
    return DIRECTORIES % {
        "directories": directories,
        "preparation": kind.preparation,
        "working": working,
    }


def home_path(path: str) -> str:
    """Return a path of a wish as a word of sh; what is under the home becomes ``"$HOME"/…``.

    Raises:
        InvalidSpec: it holds characters no path should.
    """
    if not path.isprintable():
        raise InvalidSpec("The working directory holds a character that cannot be printed.")
    whole = posixpath.normpath(posixpath.join(HOME, path))
    if whole == HOME:
        return '"$HOME"'
    if whole.startswith(f"{HOME}/"):
        return f'"$HOME"/{shlex.quote(whole.removeprefix(f"{HOME}/"))}'
    return shlex.quote(whole)


def plain_text(text: str, what: str) -> str:
    """Return a text that a script can hold.

    Raises:
        InvalidSpec: it holds a NUL character or half a surrogate pair.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidSpec(f"There is a character in {what} that is not text.") from None
    if "\0" in text:
        raise InvalidSpec(f"There is a NUL character in {what}.")
    return text


def file_variables(files: Sequence[SecretFile]) -> dict[str, SecretFile]:
    """Return the environment variables that bring the values of secret files."""
    return {f"CASSINI_FILE_{number}": file for number, file in enumerate(files)}


def _secret_files(spec: WorkloadSpec) -> str:
    if not spec.secret_files:
        return ""
    taken = {_relative(path, "configuration file") for path in spec.config_files}
    variables = file_variables(spec.secret_files)
    lines = []
    for number, (variable, file) in enumerate(variables.items()):
        path = _relative(file.path.removeprefix(f"{HOME}/"), "secret file")
        if path in taken:
            raise InvalidSpec(f"Two files are to be at {path!r}: one of them is a secret.")
        taken.add(path)
        lines.append(f'    write_secret {number} {shlex.quote(path)} "${variable}" || return')
    return WRITE_VALUE + VALUE_FILES % {
        "files": "\n".join(lines),
        "variables": " ".join(variables),
    }


def _files(files: Mapping[str, ConfigFile]) -> str:
    if not files:
        return ""
    lines = []
    for path, file in sorted(files.items()):
        if not _MODE.fullmatch(file.mode):
            raise InvalidSpec(f"The mode of the configuration file {path!r} is not like 0644.")
        content = shlex.quote(plain_text(file.content, f"the configuration file {path!r}"))
        where = shlex.quote(_relative(path, "configuration file"))
        lines.append(f"    write_file {file.mode} {where} {content} || return")
    return WRITE_FILE + FILES % {"files": "\n".join(lines)}


def _relative(path: str, what: str) -> str:
    normal = posixpath.normpath(path)
    outside = normal.startswith(("/", "~", "../")) or normal in {".", ".."}
    if not path or outside or path.endswith("/") or not path.isprintable():
        raise InvalidSpec(
            f"The {what} {path!r} must be a path relative to the home directory "
            "that does not lead out of it."
        )
    return normal


def _packages(extra: ExtraPackages) -> str:
    text = plain_text(extra.pip, "the extra packages")
    if not text.strip():
        return ""
    if extra.as_requirements_txt:
        file = '"$CASSINI_OVERLAY/requirements.txt"'
        return PACKAGES % {
            "requirements": f"    printf '%s\\n' {shlex.quote(text)} >{file} || return\n",
            "packages": f"--requirement {file}",
            "words": "'installing the extra packages of the requirements file'",
        }
    try:
        names = shlex.split(text)
    except ValueError:
        raise InvalidSpec("A quotation mark in the extra packages is not closed.") from None
    return PACKAGES % {
        "requirements": "",
        "packages": shlex.join(names),
        "words": shlex.quote(f"installing packages: {_shown(names)}"),
    }


def _shown(names: list[str]) -> str:
    """Name the packages for the log; options and addresses may hold passwords."""
    plain = [name for name in names if not name.startswith("-") and "://" not in name]
    return (
        " ".join(plain) if len(plain) == len(names) else f"{len(plain)} by name, others not shown"
    )
