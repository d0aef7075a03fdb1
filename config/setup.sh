#!/bin/sh
# Makes the virtual environment .venv and installs the given requirement files into it, unless that was
# done before with the same files and the same Python. Usage: config/setup.sh FILE...
set -eu
cd "$(dirname "$0")/.."

fail() {
    echo "make setup: $1" >&2
    exit 1
}

fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

find_python() {
    for python in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11; do
        if fits "$python"; then
            echo "$python"
            return
        fi
    done
    fail "Python 3.11, 3.12 or 3.13 is needed and none was found: install one, or name it with PYTHON=/path/to/python3."
}

if [ -x .venv/bin/python ] && fits .venv/bin/python; then
    python=.venv/bin/python
else
    python=$(find_python) || exit 1
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "$python has no venv module: install it (on Debian and Ubuntu: apt-get install python3-venv)."
    echo "• Making .venv with $("$python" --version)."
    rm -rf .venv
    "$python" -m venv .venv || fail "the virtual environment .venv could not be made (see above)."
fi

for file in "$@"; do
    stamp=".venv/installed-$(basename "$file" .txt)"
    wanted=$(.venv/bin/python -c 'import hashlib, sys
print(sys.version.split()[0], hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$file")
    [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && continue
    .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >/dev/null 2>&1 ||
        fail "the environment .venv has no pip: remove .venv and run this again."
    echo "• Installing $file."
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r "$file" ||
        fail "the packages of $file could not be installed (see above)."
    echo "$wanted" >"$stamp"
done
