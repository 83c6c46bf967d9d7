"""Pure: the Dockerfile of a recipe, and the script in it that installs packages.

The image: user ``jovyan`` with uid 1000, its environment at ``/opt/saturncloud/envs/saturn``, no
entry point. Order: Debian packages, conda, pip (by ``uv``, from the lock), the user's script.

Of what users write only names of Debian packages and of the base stand in the text, and both have
been checked; the rest are files. What the build needs but the image must not keep (``uv``, the
address of the index, certificates) is only mounted where BuildKit builds. The classic builder
cannot mount: there a stage of its own has them, and the image copies only what was installed.

Each step says its title first: it is what people see, and how a failure is told apart.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from services.builder.extras import conda_python
from services.builder.recipe import Recipe

CONDA = "/opt/saturncloud"
ENVIRONMENT = f"{CONDA}/envs/saturn"
USER = "jovyan"
UID = 1000
PORT = 8888

WORK = "/tmp/cassini"  # noqa: S108 - in the build's container, where nobody else is
VARIABLES_FILE = "variables"
CERTIFICATES_FILE = "certificates"
SECRETS = (VARIABLES_FILE, CERTIFICATES_FILE)

APT_TITLE = "Installing Debian packages."
USER_TITLE = "Making the user jovyan."
CONDA_TITLE = "Making the environment with conda."
PIP_TITLE = "Installing the packages."
SCRIPT_TITLE = "Running the script after the build."
TITLES = (APT_TITLE, USER_TITLE, CONDA_TITLE, PIP_TITLE, SCRIPT_TITLE)

INSTALL_FILE = "install.sh"
LOCK_FILE = "lock.txt"
CONDA_FILE = "environment.yml"
SCRIPT_FILE = "post_build.sh"
UV_FILE = "uv"


@dataclass(frozen=True)
class Conda:
    """Where conda packages come from, and the image that has ``micromamba``."""

    channel: str
    image: str


def dockerfile(
    recipe: Recipe, base: str, *, buildkit: bool, cache: str, stage: str, conda: Conda | None
) -> str:
    """Return the text of the Dockerfile.

    Args:
        recipe: what the image holds.
        base: what it stands on, as the engine knows it.
        buildkit: for BuildKit; else for the classic builder.
        cache: the name of BuildKit's cache of packages.
        stage: the label that the classic builder's stage with the secrets carries.
        conda: where conda comes from; not needed without an environment file.
    """
    system = [_apt(recipe.apt), _user()]
    if buildkit:
        parts = [f"FROM {base}", *system, _settings(), *_mounted(recipe, cache, conda)]
    else:
        parts = [
            *(f"FROM {base} AS system", *system, _settings()),
            *("FROM system AS packages", f"LABEL {stage}", *_copied(recipe, conda)),
            *("FROM system", f"COPY --from=packages --chown={UID}:{UID} {CONDA} {CONDA}"),
            *_script_copied(recipe),
        ]
    return "\n".join([*parts, 'CMD ["/bin/bash"]', ""])


def install_script(recipe: Recipe, *, conda: Conda | None) -> str:
    """Return the POSIX sh script that makes the environment and installs the lock into it."""
    environment = shlex.quote(ENVIRONMENT)
    lines = [
        "set -eu",
        f"secrets={WORK}/secrets",
        f'if [ -s "$secrets/{VARIABLES_FILE}" ]; then',
        f'    set -a; . "$secrets/{VARIABLES_FILE}"; set +a',
        "fi",
        f'if [ -s "$secrets/{CERTIFICATES_FILE}" ]; then',
        f'    export SSL_CERT_FILE="$secrets/{CERTIFICATES_FILE}"',
        f'    export REQUESTS_CA_BUNDLE="$secrets/{CERTIFICATES_FILE}"',
        "fi",
        'scratch="$(mktemp -d)"',
        """trap 'rm -rf "$scratch"' EXIT""",
        f'[ -d {WORK}/cache ] || UV_CACHE_DIR="$scratch"',
        f'export UV_CACHE_DIR="${{UV_CACHE_DIR:-{WORK}/cache}}"',
        "export UV_PYTHON_DOWNLOADS=never UV_NO_CONFIG=1",
        "export UV_NO_PROGRESS=1 NO_COLOR=1 UV_LINK_MODE=copy",
        f"uv={WORK}/context/{UV_FILE}",
    ]
    if recipe.environment_yml and conda is not None:
        python = shlex.quote(f"python={conda_python(recipe.environment_yml) or _version(recipe)}")
        channel = f"--override-channels --channel {shlex.quote(conda.channel)}"
        create = f"{WORK}/micromamba create --yes --no-rc --quiet --prefix {environment}"
        lines += [
            f"echo {shlex.quote(CONDA_TITLE)}",
            'export MAMBA_ROOT_PREFIX="$scratch/conda"',
            f"{create} --file {WORK}/context/{CONDA_FILE} {channel} {python}",
            f"echo {shlex.quote(PIP_TITLE)}",
        ]
    else:
        venv = '"$uv" venv --quiet --no-project --prompt cassini --python python3'
        lines += [f"echo {shlex.quote(PIP_TITLE)}", f"{venv} {environment}"]
    if recipe.lock.strip():
        install = f'"$uv" pip install --python {environment}/bin/python --no-deps'
        lock = f"--requirements {WORK}/context/{LOCK_FILE}"
        lines.append(f"{install} --compile-bytecode --only-binary :all: {lock}")
    return "\n".join([*lines, ""])


def _version(recipe: Recipe) -> str:
    match = re.search(r"\d+\.\d+", recipe.python)
    return match[0] if match else ""


def _apt(names: Sequence[str]) -> str:
    """Install what was asked for; ``sudo`` beside it where that can be done."""
    get = "apt-get -o Acquire::Retries=3"
    install = f"{get} install -y --no-install-recommends"
    clean = "rm -rf /var/lib/apt/lists/* /var/cache/apt/*"
    begin = "USER root\nRUN set -eu; export DEBIAN_FRONTEND=noninteractive; "
    if names:
        listed = " ".join(("sudo", *names))
        return (
            f"{begin}echo {shlex.quote(APT_TITLE)}; "
            "command -v apt-get >/dev/null || { echo 'The base image has no apt-get.'; exit 1; }; "
            f"{get} update; {install} {listed}; {clean}"
        )
    return (
        f"{begin}if ! command -v sudo >/dev/null && command -v apt-get >/dev/null; then "
        f"{{ {get} update -qq && {install} -qq sudo; }} >/dev/null 2>&1 "
        f"|| echo 'sudo cannot be installed: the image does without.'; {clean}; fi"
    )


def _user() -> str:
    """Make the user, or give the one that has the uid its name."""
    return (
        f"RUN set -eu; echo {shlex.quote(USER_TITLE)}; "
        f'group="$(getent group {UID} | cut -d: -f1)"; user="$(getent passwd {UID} | cut -d: -f1)";'
        f' [ -n "$group" ] || groupadd --gid {UID} {USER}; '
        f'if [ -z "$user" ]; then '
        f"useradd --uid {UID} --gid {UID} --shell /bin/bash --create-home {USER}; "
        f'elif [ "$user" != {USER} ]; then '
        f'usermod --login {USER} --home /home/{USER} --move-home --shell /bin/bash "$user"; fi; '
        f"if [ -d /etc/sudoers.d ]; then echo '{USER} ALL=(ALL) NOPASSWD:ALL'"
        f" >/etc/sudoers.d/{USER}; chmod 0440 /etc/sudoers.d/{USER}; fi; "
        f"mkdir -p {CONDA}/envs /home/{USER}; chown -R {UID}:{UID} {CONDA} /home/{USER}"
    )


def _settings() -> str:
    variables = {
        "CASSINI_IMAGE": ENVIRONMENT,
        "CONDA_DIR": CONDA,
        "NB_USER": USER,
        "NB_UID": str(UID),
        "HOME": f"/home/{USER}",
        "SHELL": "/bin/bash",
        "PATH": f"{ENVIRONMENT}/bin:$PATH",
    }
    pairs = " ".join(f"{name}={value}" for name, value in variables.items())
    return f"ENV {pairs}\nENTRYPOINT []\nEXPOSE {PORT}\nUSER {USER}\nWORKDIR /home/{USER}"


def _mounted(recipe: Recipe, cache: str, conda: Conda | None) -> list[str]:
    """Return the steps for BuildKit: what a step needs is mounted and leaves with it."""
    mounts = [
        f"type=bind,target={WORK}/context",
        f"type=cache,id={cache},target={WORK}/cache,uid={UID},gid={UID}",
        *(f"type=secret,id={name},target={WORK}/secrets/{name},uid={UID}" for name in SECRETS),
    ]
    if recipe.environment_yml and conda is not None:
        source = f"from={conda.image},source=/bin/micromamba"
        mounts.append(f"type=bind,{source},target={WORK}/micromamba")
    options = " ".join(f"--mount={mount}" for mount in mounts)
    steps = [f"RUN {options} sh {WORK}/context/{INSTALL_FILE}"]
    if recipe.post_build.strip():
        mount = f"--mount=type=bind,source={SCRIPT_FILE},target={WORK}/{SCRIPT_FILE}"
        steps.append(f"RUN {mount} {_run_script(f'{WORK}/{SCRIPT_FILE}')}")
    return steps


def _copied(recipe: Recipe, conda: Conda | None) -> list[str]:
    """Return the steps of the classic builder's stage that has the secrets."""
    steps = [
        f"COPY --chown={UID}:{UID} . {WORK}/context",
        f"COPY --chown={UID}:{UID} secrets {WORK}/secrets",
    ]
    if recipe.environment_yml and conda is not None:
        steps.append(f"COPY --from={conda.image} /bin/micromamba {WORK}/micromamba")
    return [*steps, f"RUN sh {WORK}/context/{INSTALL_FILE}"]


def _script_copied(recipe: Recipe) -> list[str]:
    if not recipe.post_build.strip():
        return []
    path = f"{CONDA}/{SCRIPT_FILE}"
    return [f"COPY --chown={UID}:{UID} {SCRIPT_FILE} {path}", f"RUN {_run_script(path)}"]


def _run_script(path: str) -> str:
    return f"echo {shlex.quote(SCRIPT_TITLE)} && bash -e {path}"
