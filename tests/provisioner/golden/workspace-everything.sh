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

find_folder() {
    case $1 in
    */*) folder=$HOME/${1%/*} ;;
    *) folder=$HOME ;;
    esac
    mkdir -p -- "$folder" || return
    home=$(cd -P -- "$HOME" && pwd -P) || return
    folder=$(cd -P -- "$folder" && pwd -P) || return
    case $folder/ in
    "$home"/*) ;;
    *)
        printf 'cassini: %s leads out of the home directory\n' "$1" >&2
        return 1
        ;;
    esac
}

write_secret() {
    find_folder "$2" || return
    link=$folder/${2##*/}
    if [ -L "$link" ]; then
        case $(readlink -- "$link") in
        */cassini-secrets/*) ;;
        *)
            printf 'cassini: %s is a link of your own, and is left as it is\n' "$2" >&2
            return 1
            ;;
        esac
    elif [ -e "$link" ]; then
        printf 'cassini: %s is there already, and is left as it is\n' "$2" >&2
        return 1
    fi
    file=$XDG_RUNTIME_DIR/cassini-secrets/$1
    (umask 077 && printf '%s' "$3" >"$file") || return
    rm -f -- "$link" && ln -s -- "$file" "$link"
}

write_secrets() {
    make_memory || return
    (umask 077 && mkdir -p -- "$XDG_RUNTIME_DIR/cassini-secrets") || return
    write_secret 0 .aws/credentials "$CASSINI_FILE_0" || return
    write_secret 1 'it'"'"'s.pem' "$CASSINI_FILE_1" || return
    unset file link folder CASSINI_FILE_0 CASSINI_FILE_1
}
step secrets 'writing the secret files' write_secrets \
    'A secret file cannot be written' \
    'Move what is in its place, or attach the secret at another path, then start again.'

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
    make_overlay "$HOME" "$HOME"/workspace "$CASSINI_OVERLAY"/share/jupyter/kernels/python3 "$CASSINI_OVERLAY"/etc/jupyter/labconfig || return
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
    cd -- "$HOME"/workspace
}
step directories 'making the directories and the environment' make_directories \
    'The directories cannot be made' \
    'Look whether the disk is full, and whether the working directory may be made there.'

write_file() {
    find_folder "$2" || return
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

write_files() {
    write_file 0600 .config/app.toml 'a = '"'"'b'"'"'
' || return
    write_file 0644 plain.txt '' || return
}
step files 'writing the configuration files' write_files \
    'A configuration file cannot be written' \
    'Look whether the disk is full and whether its path is right, then start again.'

install_packages() {
    "$CASSINI_OVERLAY/bin/python" -m pip install --no-input \
        --no-warn-script-location --disable-pip-version-check --root-user-action=ignore \
        'pandas>=2' 'my pkg'
}
step packages 'installing packages: pandas>=2 my pkg' install_packages \
    'The extra packages cannot be installed' \
    'The lines above tell why: correct the names or versions, then start again.'

run_start_script() {
    printf '%s' 'echo start
echo again
' >"$CASSINI_OVERLAY/start-script" || return
    "$SHELL" "$CASSINI_OVERLAY/start-script"
}
step start-script 'running the start script' run_start_script \
    'The start script failed' \
    'The lines above tell why: correct it, then start again.'

say 'starting'
report 'main begin'
exec env CASSINI_PATH="$PATH" PATH="$CASSINI_OVERLAY/bin:$CASSINI_IMAGE/bin" \
    "$CASSINI_IMAGE"/bin/python -m jupyterlab \
    --no-browser \
    --allow-root \
    --ServerApp.ip="${CASSINI_LISTEN:-127.0.0.1}" \
    --ServerApp.port="$PORT" \
    --ServerApp.port_retries=0 \
    --ServerApp.base_url=/ \
    --ServerApp.root_dir="$HOME" \
    --FileContentsManager.preferred_dir="$HOME"/workspace \
    --LabApp.extension_manager=readonly \
    --LabApp.news_url=None \
    --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate
