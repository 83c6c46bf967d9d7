"""The parts of the start-up script, as text: POSIX sh, with places for what a wish says.

``startup.py`` puts them together. All of it stands before the main command of every start, and
what a shell calls costs it a millisecond or two each, so it does what it can by itself.
"""

PROLOGUE = r"""# Prepares the pod, reports each step, then becomes the main command.
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

MEMORY = """
make_memory() {
    [ ! -d "${XDG_RUNTIME_DIR:-}" ] || return 0
    rm -rf -- /dev/shm/cassini-%(id)s.*
    XDG_RUNTIME_DIR=$(mktemp -d /dev/shm/cassini-%(id)s.XXXXXX) || return
    export XDG_RUNTIME_DIR
}
"""

FIND_FOLDER = r"""
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
"""

WRITE_VALUE = r"""
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
"""

VALUE_FILES = """
write_secrets() {
    make_memory || return
    (umask 077 && mkdir -p -- "$XDG_RUNTIME_DIR/cassini-secrets") || return
%(files)s
    unset file link folder %(variables)s
}
step secrets 'writing the secret files' write_secrets \\
    'A secret file cannot be written' \\
    'Move what is in its place, or attach the secret at another path, then start again.'
"""
"""Before all else, so that nothing that runs has the values in its environment."""

OVERLAY = r"""
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

DIRECTORIES = """
make_directories() {
    make_memory || return
    make_overlay %(directories)s || return
%(preparation)s    cd -- %(working)s
}
step directories 'making the directories and the environment' make_directories \\
    'The directories cannot be made' \\
    'Look whether the disk is full, and whether the working directory may be made there.'
"""

WRITE_FILE = r"""
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
"""

FILES = """
write_files() {
%(files)s
}
step files 'writing the configuration files' write_files \\
    'A configuration file cannot be written' \\
    'Look whether the disk is full and whether its path is right, then start again.'
"""

PACKAGES = """
install_packages() {
%(requirements)s    "$CASSINI_OVERLAY/bin/python" -m pip install --no-input \\
        --no-warn-script-location --disable-pip-version-check --root-user-action=ignore \\
        %(packages)s
}
step packages %(words)s install_packages \\
    'The extra packages cannot be installed' \\
    'The lines above tell why: correct the names or versions, then start again.'
"""

START_SCRIPT = """
run_start_script() {
    printf '%%s' %(script)s >"$CASSINI_OVERLAY/start-script" || return
    "$SHELL" "$CASSINI_OVERLAY/start-script"
}
step start-script 'running the start script' run_start_script \\
    'The start script failed' \\
    'The lines above tell why: correct it, then start again.'
"""

MAIN = """
say 'starting'
report 'main begin'
exec %(main)s
"""

MAIN_IN_DEBUG_MODE = """
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
