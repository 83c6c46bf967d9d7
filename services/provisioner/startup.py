"""The script that prepares a pod and then becomes its main command. Pure; POSIX sh.

Each step appends ``<unix seconds> <step> <begin|done|failed> [exit code]`` to
``$CASSINI_REPORT`` and says in the log what it does. A step that fails says what to do about it
and ends the script with its exit code. All text of users arrives quoted.

The script takes from its environment: ``HOME``, ``PORT``, ``CASSINI_IMAGE`` (the environment the
image is), ``CASSINI_OVERLAY`` (the pod's own environment, made here), ``CASSINI_REPORT``, and,
where the backend has them, ``CASSINI_LISTEN`` (the address to listen on, else loopback) and
``XDG_RUNTIME_DIR`` (a private directory in memory).

The overlay is a virtual environment made by hand: its Python is the image's, a ``.pth`` file adds
the image's packages after its own. All this stands before the main command of every start, and
what a shell calls costs it a millisecond or two each, so it does what it can by itself.
"""

import posixpath
import re
import shlex
from collections.abc import Mapping

from cassini.contracts.workloads import ConfigFile, ExtraPackages, WorkloadSpec
from services.provisioner.kinds.base import HOME, InvalidSpec, KindPlan

MAX_SCRIPT_BYTES = 120_000
"""Linux gives one argument 128 KiB, and a backend may hand the script over as one."""

_MODE = re.compile(r"^0?[0-7]{3}$")

_PROLOGUE = r"""# Prepares the pod, reports each step, then becomes the main command.
umask 022
: "${HOME:?}" "${PORT:?}" "${CASSINI_IMAGE:?}" "${CASSINI_OVERLAY:?}" "${CASSINI_REPORT:?}"

# The clock is asked once; from there on the time is read off the machine's uptime.
up=0
read -r up _ </proc/uptime
epoch=$(($(date +%s) - ${up%%.*}))

say() { printf 'cassini: %s\n' "$1"; }
report() {
    read -r up _ </proc/uptime
    printf '%s %s\n' "$((epoch + ${up%%.*}))" "$1" >>"$CASSINI_REPORT"
}
step() {
    say "$2"
    report "$1 begin"
    "$3"
    code=$?
    if [ "$code" -ne 0 ]; then
        report "$1 failed $code"
        printf 'cassini: %s (exit code %s). %s\n' "$4" "$code" "$5" >&2
        exit "$code"
    fi
    report "$1 done"
}
"""

_OVERLAY = r"""
make_overlay() {
    for packages in "$CASSINI_IMAGE"/lib/python3*/site-packages; do :; done
    if [ ! -d "$packages" ]; then
        printf 'cassini: the image holds no Python environment\n' >&2
        return 1
    fi
    version=${packages%/site-packages}
    version=${version##*/}
    mkdir -p -- "$CASSINI_OVERLAY/bin" "$CASSINI_OVERLAY/lib/$version/site-packages" "$@" || return
    ln -sf -- "$CASSINI_IMAGE/bin/python" "$CASSINI_IMAGE/bin/python3" "$CASSINI_OVERLAY/bin" ||
        return
    {
        if [ -f "$CASSINI_IMAGE/pyvenv.cfg" ]; then
            while IFS= read -r line; do
                case $line in
                home[\ =]* | version[\ =]* | version_info[\ =]* | implementation[\ =]*)
                    printf '%s\n' "$line" ;;
                esac
            done <"$CASSINI_IMAGE/pyvenv.cfg"
        else
            printf 'home = %s\n' "$CASSINI_IMAGE/bin"
        fi
        printf 'include-system-site-packages = false\n'
    } >"$CASSINI_OVERLAY/pyvenv.cfg" || return
    # The image is where the link to its Python leads.
    printf '%s%s%s\n' 'import os, site, sys; site.addsitedir(os.path.join(os.path.dirname(' \
        "os.path.dirname(os.readlink(os.path.join(sys.prefix, 'bin', 'python')))), " \
        "'lib', '$version', 'site-packages'))" \
        >"$CASSINI_OVERLAY/lib/$version/site-packages/cassini-image.pth" || return
    for pip in "$CASSINI_OVERLAY/bin/pip" "$CASSINI_OVERLAY/bin/pip3"; do
        printf '%s\n' '#!/bin/sh' 'exec "${0%/*}/python" -m pip "$@"' >"$pip" || return
    done
    chmod 755 "$CASSINI_OVERLAY/bin/pip" "$CASSINI_OVERLAY/bin/pip3" || return
    VIRTUAL_ENV=$CASSINI_OVERLAY
    PATH=$CASSINI_OVERLAY/bin:$CASSINI_IMAGE/bin:${PATH:-/usr/local/bin:/usr/bin:/bin}
    SHELL=/bin/bash
    [ -x "$SHELL" ] || SHELL=$(command -v bash || command -v sh)
    export VIRTUAL_ENV PATH SHELL
    unset PYTHONHOME
}
"""

_DIRECTORIES = """
make_directories() {
    make_overlay %(directories)s || return
%(preparation)s    cd -- %(working)s
}
step directories 'making the directories and the environment' make_directories \\
    'The directories cannot be made' \\
    'Look whether the disk is full, and whether the working directory may be made there.'
"""

_WRITE_FILE = r"""
write_file() {
    case $2 in
    */*) folder=$HOME/${2%/*} ;;
    *) folder=$HOME ;;
    esac
    mkdir -p -- "$folder" || return
    home=$(cd -P -- "$HOME" && pwd -P) || return
    folder=$(cd -P -- "$folder" && pwd -P) || return
    case $folder/ in
    "$home"/*) ;;
    *)
        printf 'cassini: %s leads out of the home directory\n' "$2" >&2
        return 1
        ;;
    esac
    if [ -d "$folder/${2##*/}" ]; then
        printf 'cassini: %s is a directory\n' "$2" >&2
        return 1
    fi
    new=$folder/.cassini-file.$$
    (umask 077 && printf '%s' "$3" >"$new") && chmod "$1" "$new" &&
        mv -f -- "$new" "$folder/${2##*/}" && return
    rm -f -- "$new"
    return 1
}
"""

_FILES = """
write_files() {
%(files)s
}
step files 'writing the configuration files' write_files \\
    'A configuration file cannot be written' \\
    'Look whether the disk is full and whether its path is right, then start again.'
"""

_PACKAGES = """
install_packages() {
%(requirements)s    "$CASSINI_OVERLAY/bin/python" -m pip install --no-input \\
        --no-warn-script-location --disable-pip-version-check --root-user-action=ignore \\
        %(packages)s
}
step packages %(words)s install_packages \\
    'The extra packages cannot be installed' \\
    'The lines above tell why: correct the names or versions, then start again.'
"""

_START_SCRIPT = """
run_start_script() {
    printf '%%s' %(script)s >"$CASSINI_OVERLAY/start-script" || return
    "$SHELL" "$CASSINI_OVERLAY/start-script"
}
step start-script 'running the start script' run_start_script \\
    'The start script failed' \\
    'The lines above tell why: correct it, then start again.'
"""

_MAIN = """
say 'starting'
report 'main begin'
exec %(main)s
"""

_MAIN_IN_DEBUG_MODE = """
say 'starting (debug mode: stays up if the main command fails)'
report 'main begin'
%(main)s &
main=$!
stopped=
trap 'stopped=1; kill "$main" 2>/dev/null' TERM INT
wait "$main"
code=$?
trap - TERM INT
if [ -n "$stopped" ]; then
    wait "$main"
    exit
fi
[ "$code" -ne 0 ] || exit 0
report "main failed $code"
printf 'cassini: The main command failed (exit code %%s). %%s\\n' "$code" \\
    'Debug mode keeps this pod up: look around in it, then stop it.' >&2
exec sleep 2147483647
"""


def build_script(spec: WorkloadSpec, kind: KindPlan) -> str:
    """Return the script of a pod.

    Raises:
        InvalidSpec: the spec holds what no script can do; the text says what and where.
    """
    parts = [
        _PROLOGUE,
        _OVERLAY,
        _directories(spec, kind),
        _files(spec.config_files),
        _packages(spec.extra_packages),
    ]
    if spec.start_script.strip():
        # A script that was written on Windows ends its lines in a way no shell takes.
        text = plain_text(spec.start_script, "the start script").replace("\r\n", "\n")
        parts.append(_START_SCRIPT % {"script": shlex.quote(text)})
    parts.append((_MAIN_IN_DEBUG_MODE if spec.debug_mode else _MAIN) % {"main": kind.main})
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
    return _DIRECTORIES % {
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


def _files(files: Mapping[str, ConfigFile]) -> str:
    if not files:
        return ""
    lines = []
    for path, file in sorted(files.items()):
        if not _MODE.fullmatch(file.mode):
            raise InvalidSpec(f"The mode of the configuration file {path!r} is not like 0644.")
        content = shlex.quote(plain_text(file.content, f"the configuration file {path!r}"))
        where = shlex.quote(_relative(path))
        lines.append(f"    write_file {file.mode} {where} {content} || return")
    return _WRITE_FILE + _FILES % {"files": "\n".join(lines)}


def _relative(path: str) -> str:
    normal = posixpath.normpath(path)
    outside = normal.startswith(("/", "~", "../")) or normal in {".", ".."}
    if not path or outside or path.endswith("/") or not path.isprintable():
        raise InvalidSpec(
            f"The configuration file {path!r} must be a path relative to the home directory "
            "that does not lead out of it."
        )
    return normal


def _packages(extra: ExtraPackages) -> str:
    text = plain_text(extra.pip, "the extra packages")
    if not text.strip():
        return ""
    if extra.as_requirements_txt:
        file = '"$CASSINI_OVERLAY/requirements.txt"'
        return _PACKAGES % {
            "requirements": f"    printf '%s\\n' {shlex.quote(text)} >{file} || return\n",
            "packages": f"--requirement {file}",
            "words": "'installing the extra packages of the requirements file'",
        }
    try:
        names = shlex.split(text)
    except ValueError:
        raise InvalidSpec("A quotation mark in the extra packages is not closed.") from None
    return _PACKAGES % {
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
