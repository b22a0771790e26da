#!/bin/sh
# Make the environment of the course: sh tools/make_venv.sh .venv
#
# Takes the Python named by PYTHON, else the first of python3.11, 3.12, 3.13, python3 and
# python that fits. Installs the exact versions of requirements.lock, whose hashes are
# checked, with uv if it is on PATH, else with pip. `make` keeps .venv/installed as the
# proof that all of it went well, and calls this again when that file is missing or old.
set -eu

venv=${1:?usage: sh tools/make_venv.sh FOLDER}

# Succeeds if $1 runs, is a Python that fits, and can make environments.
fits() {
    "$1" -c '
import sys, ensurepip, venv
sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

# What is wrong with $1, in a line.
describe() {
    "$1" -c '
import sys
version = "%d.%d.%d" % sys.version_info[:3]
try:
    import ensurepip, venv
    lack = ""
except ImportError:
    lack = ", without venv (on Debian or Ubuntu: apt install python3-venv)"
print("  %s is Python %s%s" % (sys.executable, version, lack))' 2>/dev/null ||
        echo "  $1 does not run"
}

find_python() {
    set -- python3.11 python3.12 python3.13 python3 python
    [ -z "${PYTHON:-}" ] || set -- "$PYTHON"
    for name in "$@"; do
        if fits "$name"; then
            echo "$name"
            return
        fi
    done
    {
        echo "No suitable Python. Needed: 3.11, 3.12 or 3.13. Found:"
        found=
        for name in "$@"; do
            if command -v "$name" >/dev/null 2>&1; then
                describe "$name"
                found=yes
            fi
        done
        [ "$found" ] || echo "  none named $*"
        echo "Install one, or name one: make PYTHON=/path/to/python3.12 ..."
    } >&2
    exit 1
}

install() {
    if command -v uv >/dev/null 2>&1; then
        uv pip install --python "$venv/bin/python" "$@"
    else
        "$venv/bin/python" -m pip install --disable-pip-version-check --quiet "$@"
    fi
}

# Without the proof, an earlier attempt may have stopped halfway: start anew.
if [ ! -f "$venv/installed" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
    python=$(find_python)
    echo "Making $venv with $("$python" --version) ($python)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
rm -f "$venv/installed"

echo "Installing requirements.lock: about 200 packages, 2 GB; a few minutes"
install --require-hashes -r requirements.lock
# The build backend is in the lock, too: nothing unpinned is fetched.
install --no-deps --no-build-isolation -e .
echo "Installed into $venv"
