"""A workspace: JupyterLab on a home that stays, or a command of the user's own. Pure.

JupyterLab runs in the image's environment, its kernel ``python3`` in the pod's overlay: what a
user installs reaches notebooks and terminals and cannot break the server. Its token comes in
``JUPYTER_TOKEN`` and stands in no argument; its runtime directory, where it writes that token,
is in memory. Its quit button stays: the exit code 0 that follows makes the workspace completed.
"""

import shlex

from cassini.contracts.workloads import WorkloadSpec
from services.provisioner.kinds.base import KindPlan
from services.provisioner.startup import home_path, plain_text

PORT = 8888
_GRACE_SECONDS = 20.0

_KERNEL = '"$CASSINI_OVERLAY"/share/jupyter/kernels/python3'
_CONFIG = '"$CASSINI_OVERLAY"/etc/jupyter'
_LABCONFIG = f"{_CONFIG}/labconfig"
_PREPARATION = """\
    python=$CASSINI_OVERLAY/bin/python
    case $python in
    *[\\\\\\"]*) python=$(printf '%%s' "$python" | sed 's/[\\\\"]/\\\\&/g') || return ;;
    esac
    printf '%%s"%%s"%%s\\n' '{"argv": [' "$python" ', "-Xfrozen_modules=off",
 "-m", "ipykernel_launcher", "-f", "{connection_file}"],
 "display_name": "Python 3 (ipykernel)", "language": "python", "metadata": {"debugger": true}}' \\
        >%(kernel)s/kernel.json || return
    printf '%%s\\n' '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}' \\
        >%(labconfig)s/default_setting_overrides.json || return
    printf '%%s\\n' 'import os' \\
        'os.environ["PATH"] = os.environ.pop("CASSINI_PATH", os.environ["PATH"])' \\
        >%(config)s/jupyter_server_config.py || return
    JUPYTER_CONFIG_PATH=$CASSINI_OVERLAY/etc/jupyter${JUPYTER_CONFIG_PATH:+:$JUPYTER_CONFIG_PATH}
    JUPYTER_PATH=$CASSINI_OVERLAY/share/jupyter${JUPYTER_PATH:+:$JUPYTER_PATH}
    JUPYTER_RUNTIME_DIR=$XDG_RUNTIME_DIR/jupyter
    export JUPYTER_PATH JUPYTER_CONFIG_PATH JUPYTER_RUNTIME_DIR
"""


def plan_workspace(spec: WorkloadSpec) -> KindPlan:
    """Say what the pod of a workspace runs and when it is ready."""
    own = spec.command is not None and spec.command.strip() != ""
    return KindPlan(
        main=_own_command(spec.command or "") if own else _jupyterlab(spec),
        ports=(PORT,),
        # JupyterLab answers /api to everybody and logs nothing about it.
        readiness_path="/" if own else "/api",
        grace_seconds=_GRACE_SECONDS,
        # What dask-saturn takes for a Jupyter server; names that begin with Prefect mean more.
        environment={"SATURN_RESOURCE_TYPE": "SingleUserServer"},
        directories=(_KERNEL, _LABCONFIG),
        preparation=_PREPARATION % {"kernel": _KERNEL, "config": _CONFIG, "labconfig": _LABCONFIG},
    )


def _own_command(command: str) -> str:
    return f"sh -c {shlex.quote(plain_text(command, 'the command'))}"


def _jupyterlab(spec: WorkloadSpec) -> str:
    working = home_path(spec.working_directory)
    inside = working.startswith('"$HOME"')
    arguments = (
        # While it is imported JupyterLab asks a Node.js that it finds about yarn, for 0.4 s, to
        # build extensions that a workspace does not build. The whole PATH is put back by its
        # configuration, which is read later: kernels and terminals have it.
        'env CASSINI_PATH="$PATH" PATH="$CASSINI_OVERLAY/bin:$CASSINI_IMAGE/bin"',
        '"$CASSINI_IMAGE"/bin/python -m jupyterlab',
        "--no-browser",
        "--allow-root",  # the local backend may run as root; elsewhere it changes nothing
        '--ServerApp.ip="${CASSINI_LISTEN:-127.0.0.1}"',
        '--ServerApp.port="$PORT"',
        "--ServerApp.port_retries=0",
        "--ServerApp.base_url=/",
        '--ServerApp.root_dir="$HOME"',
        # JupyterLab refuses to start with a preferred directory outside its root.
        *([f"--FileContentsManager.preferred_dir={working}"] if inside else []),
        # The image is not a workspace's own to install into; the other manager costs 50 ms as well.
        "--LabApp.extension_manager=readonly",
        "--LabApp.news_url=None",  # nor is anybody asked about news, see the preparation
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    )
    return " \\\n    ".join(arguments)
