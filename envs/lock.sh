#!/usr/bin/env bash
# Pin the newest versions of requirements.txt and requirements-dev.txt: lock.sh [PYTHON]
# torch keeps the version that the lock names, so that raising it is a decision.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${1:-python3}" -m venv "$work/venv"
freeze() { "$work/venv/bin/pip" freeze --all --exclude pip | sed 's/+cpu$//' | LC_ALL=C sort -f; }

"$work/venv/bin/pip" install --quiet "$(grep -i '^torch==' requirements.lock)" -r requirements.txt
freeze >"$work/run"
"$work/venv/bin/pip" install --quiet -r requirements-dev.txt
freeze >"$work/all"
{
    echo "# Everything that a run needs, for Python 3.11 and later; made by \`make lock\` from requirements.txt."
    cat "$work/run"
} >requirements.lock
{
    echo "# What the tests and the checks need besides; made by \`make lock\` from requirements-dev.txt."
    comm -13 <(LC_ALL=C sort "$work/run") <(LC_ALL=C sort "$work/all") | LC_ALL=C sort -f
} >requirements-dev.lock
