# Sourced by the scripts beside it: makes or completes .venv in the checkout's root.
# After `prepare [EXTRA]`, "$venv/bin/python" has texsynth and what it needs; with EXTRA, an extra of
# setup.py too. Quick when nothing is missing; says what it does, on standard error.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
venv="$root/.venv"

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

complete_venv() {
    local extra="$1" stamp="$2" wanted="$3" python
    if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
        python="$(find_python)" || exit 1
        echo "texsynth: making $venv with $("$python" --version)" >&2
        if ! "$python" -m venv --clear "$venv"; then
            echo "texsynth: could not make it (on Debian and Ubuntu: apt install python3-venv)" >&2
            exit 1
        fi
    fi
    echo "texsynth: installing what is needed into $venv (a minute or two the first time)" >&2
    # Old versions of pip build under the first variable's constraints, new ones under the second's.
    if ! PIP_CONSTRAINT="$root/scripts/build-constraints.txt" \
        PIP_BUILD_CONSTRAINT="$root/scripts/build-constraints.txt" \
        PIP_DISABLE_PIP_VERSION_CHECK=1 \
        "$venv/bin/python" -m pip install --quiet --editable "$root${extra:+[$extra]}" >&2; then
        echo "texsynth: setting up failed; the reason is above" >&2
        exit 1
    fi
    echo "$wanted" >"$stamp"
}

prepare() {
    local extra="${1:-}"
    local stamp="$venv/.texsynth-ready${extra:+-$extra}" wanted
    wanted="$(cat "$root/setup.py" "$root/scripts/build-constraints.txt" | cksum) $root"
    if "$venv/bin/python" -c '' 2>/dev/null && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    # Two that start together: the second waits, and finds nothing missing.
    if command -v flock >/dev/null; then
        exec 9>"$root/.venv.lock"
        flock 9
        [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] || complete_venv "$extra" "$stamp" "$wanted"
        exec 9>&-
    else
        complete_venv "$extra" "$stamp" "$wanted"
    fi
}
