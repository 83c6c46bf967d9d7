# Prepares the pod, reports each step, then becomes the main command.
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

make_memory() {
    [ ! -d "${XDG_RUNTIME_DIR:-}" ] || return 0
    rm -rf -- /dev/shm/cassini-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.*
    XDG_RUNTIME_DIR=$(mktemp -d /dev/shm/cassini-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.XXXXXX) || return
    export XDG_RUNTIME_DIR
}

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

make_directories() {
    make_memory || return
    make_overlay "$HOME" '/srv/it'"'"'s here' "$CASSINI_OVERLAY"/share/jupyter/kernels/python3 "$CASSINI_OVERLAY"/etc/jupyter/labconfig || return
    python=$CASSINI_OVERLAY/bin/python
    case $python in
    *[\\\"]*) python=$(printf '%s' "$python" | sed 's/[\\"]/\\&/g') || return ;;
    esac
    printf '%s"%s"%s\n' '{"argv": [' "$python" ', "-Xfrozen_modules=off",
 "-m", "ipykernel_launcher", "-f", "{connection_file}"],
 "display_name": "Python 3 (ipykernel)", "language": "python", "metadata": {"debugger": true}}' \
        >"$CASSINI_OVERLAY"/share/jupyter/kernels/python3/kernel.json || return
    printf '%s\n' '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}' \
        >"$CASSINI_OVERLAY"/etc/jupyter/labconfig/default_setting_overrides.json || return
    printf '%s\n' 'import os' \
        'os.environ["PATH"] = os.environ.pop("CASSINI_PATH", os.environ["PATH"])' \
        >"$CASSINI_OVERLAY"/etc/jupyter/jupyter_server_config.py || return
    JUPYTER_CONFIG_PATH=$CASSINI_OVERLAY/etc/jupyter${JUPYTER_CONFIG_PATH:+:$JUPYTER_CONFIG_PATH}
    JUPYTER_PATH=$CASSINI_OVERLAY/share/jupyter${JUPYTER_PATH:+:$JUPYTER_PATH}
    JUPYTER_RUNTIME_DIR=$XDG_RUNTIME_DIR/jupyter
    export JUPYTER_PATH JUPYTER_CONFIG_PATH JUPYTER_RUNTIME_DIR
    cd -- '/srv/it'"'"'s here'
}
step directories 'making the directories and the environment' make_directories \
    'The directories cannot be made' \
    'Look whether the disk is full, and whether the working directory may be made there.'

say 'starting (debug mode: stays up if the main command fails)'
report 'main begin'
sh -c 'python -m http.server "$PORT"' &
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
printf 'cassini: The main command failed (exit code %s). %s\n' "$code" \
    'Debug mode keeps this pod up: look around in it, then stop it.' >&2
exec sleep 2147483647
