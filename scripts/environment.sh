# Sourced by the scripts beside it: makes or completes .venv in the checkout's root.
# After `prepare [EXTRA [REQUIREMENTS]]`, "$venv/bin/python" has texsynth and what it needs; with EXTRA,
# an extra of setup.py too, and what a file of requirements in the checkout lists. Quick when nothing is
# missing; says what it does, on standard error. `use_venv NAME` before it: another place than .venv.

root="$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd -P)"
venv="$root/.venv"

use_venv() {
    venv="$root/$1"
}

# Prints the first Python that texsynth supports; $PYTHON goes before all others.
find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python; do
        # Run, not only looked up: a version manager's stand-in may exist and refuse.
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
            2>/dev/null; then
            echo "$candidate"
            return
        fi
        if [ "$candidate" = "${PYTHON:-}" ]; then
            echo "texsynth: PYTHON=$PYTHON is not a Python 3.11, 3.12 or 3.13" >&2
            return 1
        fi
    done
    echo "texsynth: needs Python 3.11, 3.12 or 3.13; install one, or set PYTHON to its path" >&2
    return 1
}

is_ready() {
    [ "$(cat "$1" 2>/dev/null)" = "$2" ] && "$venv/bin/python" -c '' 2>/dev/null
}

make_venv() {
    local python output
    python="$(find_python)" || exit 1
    echo "texsynth: making $venv with $("$python" --version)" >&2
    if ! output="$("$python" -m venv --clear "$venv" 2>&1)"; then
        echo "texsynth: could not make it: $(tail -n 1 <<<"$output")" >&2
        echo "texsynth: (on Debian and Ubuntu it needs: apt install python3-venv)" >&2
        exit 1
    fi
}

complete_venv() {
    local extra="$1" requirements="$2"
    "$venv/bin/python" -c 'import pip' 2>/dev/null || make_venv
    echo "texsynth: installing what is needed into $venv (a minute or two the first time)" >&2
    # Chainer's setup.py wants an old setuptools: old versions of pip build under the first
    # variable's constraints, new ones under the second's. Relative, for pip splits them at spaces.
    if ! (
        cd "$root"
        PIP_CONSTRAINT=scripts/build-constraints.txt PIP_USER=0 \
            PIP_BUILD_CONSTRAINT=scripts/build-constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
            "$venv/bin/python" -m pip install --quiet --editable ".${extra:+[$extra]}" \
            ${requirements:+--requirement "$requirements"} >&2
    ); then
        echo "texsynth: setting up failed; the reason is above" >&2
        exit 1
    fi
}

prepare() {
    local extra="${1:-}" requirements="${2:-}"
    local stamp="$venv/.texsynth-ready${extra:+-$extra}" wanted
    trap 'echo "texsynth: interrupted while setting up; the next run goes on with it" >&2; exit 130' INT
    wanted="$(cat "$root/setup.py" "$root/scripts/build-constraints.txt" \
        ${requirements:+"$root/$requirements"} | cksum) $root"
    if ! is_ready "$stamp" "$wanted"; then
        # Two that start together: the second waits, and finds nothing missing.
        if command -v flock >/dev/null && exec 9>"$venv.lock"; then
            flock 9
        fi
        if ! is_ready "$stamp" "$wanted"; then
            complete_venv "$extra" "$requirements"
            echo "$wanted" >"$stamp"
        fi
        exec 9>&-
    fi
    trap - INT
}

# prepare_programs PACKAGE=COMMAND...: installs the programs that tests run (a browser, for the
# evaluation page; Blender, and a screen for it), where that takes no asking: as root, on Debian.
# Elsewhere those tests are skipped, and say why.
prepare_programs() {
    local each missing=()
    for each in "$@"; do
        command -v "${each#*=}" >/dev/null || missing+=("${each%=*}")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || return 0
    echo "texsynth: installing ${missing[*]} for the tests" >&2
    if ! (
        export DEBIAN_FRONTEND=noninteractive
        { apt-get update -qq && apt-get install -qq -y --no-install-recommends \
            "${missing[@]}"; } >/dev/null 2>&1
    ); then
        echo "texsynth: that failed; the tests that need them are skipped" >&2
    fi
}

# Runs the tests of the current folder, on each processor some. Together: what shares a set-up that
# takes long, by the mark xdist_group. A process takes 1 GB.
run_tests() {
    "$venv/bin/python" -m pytest --numprocesses auto --maxprocesses 8 --dist loadgroup "$@"
}
