# Prepares the pod, reports each step, then becomes the main command.
umask 022
: "${HOME:?}" "${PORT:?}" "${CASSINI_IMAGE:?}" "${CASSINI_OVERLAY:?}" "${CASSINI_REPORT:?}"

say() { printf 'cassini: %s\n' "$1"; }
report() { printf '%s %s\n' "$(date +%s)" "$1" >>"$CASSINI_REPORT"; }
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

make_overlay() {
    for packages in "$CASSINI_IMAGE"/lib/python3*/site-packages; do :; done
    if [ ! -d "$packages" ]; then
        printf 'cassini: the image holds no Python environment\n' >&2
        return 1
    fi
    version=${packages%/site-packages}
    version=${version##*/}
    mkdir -p -- "$CASSINI_OVERLAY/bin" "$CASSINI_OVERLAY/lib/$version/site-packages" || return
    interpreter=$(readlink -f -- "$CASSINI_IMAGE/bin/python") || return
    ln -sfn -- "$interpreter" "$CASSINI_OVERLAY/bin/python" || return
    ln -sfn -- python "$CASSINI_OVERLAY/bin/python3" || return
    ln -sfn -- "$CASSINI_IMAGE" "$CASSINI_OVERLAY/image" || return
    ln -sfn -- lib "$CASSINI_OVERLAY/lib64" || return
    {
        if [ -f "$CASSINI_IMAGE/pyvenv.cfg" ]; then
            grep -E '^(home|version|version_info|implementation) *=' "$CASSINI_IMAGE/pyvenv.cfg"
        else
            printf 'home = %s\n' "$CASSINI_IMAGE/bin"
        fi
        printf 'include-system-site-packages = false\n'
    } >"$CASSINI_OVERLAY/pyvenv.cfg" || return
    printf '%s%s\n' 'import os, site, sys; site.addsitedir(os.path.join(os.path.realpath(' \
        "os.path.join(sys.prefix, 'image')), 'lib', '$version', 'site-packages'))" \
        >"$CASSINI_OVERLAY/lib/$version/site-packages/cassini-image.pth" || return
    printf '%s\n' '#!/bin/sh' 'exec "${0%/*}/python" -m pip "$@"' >"$CASSINI_OVERLAY/bin/pip" ||
        return
    chmod 755 "$CASSINI_OVERLAY/bin/pip" || return
    ln -sfn -- pip "$CASSINI_OVERLAY/bin/pip3" || return
    VIRTUAL_ENV=$CASSINI_OVERLAY
    PATH=$CASSINI_OVERLAY/bin:$CASSINI_IMAGE/bin:${PATH:-/usr/local/bin:/usr/bin:/bin}
    SHELL=$(command -v bash || command -v sh)
    export VIRTUAL_ENV PATH SHELL
    unset PYTHONHOME
}

make_directories() {
    make_overlay || return
    kernel=$CASSINI_OVERLAY/share/jupyter/kernels/python3
    mkdir -p -- "$kernel" || return
    python=$(printf '%s' "$CASSINI_OVERLAY/bin/python" | sed 's/[\\"]/\\&/g') || return
    cat >"$kernel/kernel.json" <<KERNEL || return
{"argv": ["$python", "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
 "display_name": "Python 3 (ipykernel)", "language": "python", "metadata": {"debugger": true}}
KERNEL
    JUPYTER_PATH=$CASSINI_OVERLAY/share/jupyter${JUPYTER_PATH:+:$JUPYTER_PATH}
    export JUPYTER_PATH
    if [ -z "${CASSINI_RUNTIME:-}" ]; then
        rm -rf -- /dev/shm/cassini-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.*
        CASSINI_RUNTIME=$(mktemp -d /dev/shm/cassini-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.XXXXXX) || return
    fi
    JUPYTER_RUNTIME_DIR=$CASSINI_RUNTIME/jupyter
    export JUPYTER_RUNTIME_DIR
    mkdir -p -m 700 -- "$JUPYTER_RUNTIME_DIR" || return
    mkdir -p -- "$HOME" "$HOME"/workspace || return
    cd -- "$HOME"/workspace
}
step directories 'making the directories and the environment' make_directories \
    'The directories cannot be made' \
    'Look whether the disk is full, and whether the working directory may be made there.'

say 'starting'
report 'main begin'
exec "$CASSINI_IMAGE"/bin/python -m jupyterlab \
    --no-browser \
    --allow-root \
    --ServerApp.ip="${CASSINI_LISTEN:-127.0.0.1}" \
    --ServerApp.port="$PORT" \
    --ServerApp.port_retries=0 \
    --ServerApp.base_url=/ \
    --ServerApp.root_dir="$HOME" \
    --FileContentsManager.preferred_dir="$HOME"/workspace \
    --LabApp.news_url=None \
    --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate
