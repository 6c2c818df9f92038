#!/bin/sh
# Verify the package, then serve its bundle; options are those of `bands worker`.
# PYTHON names the interpreter, BANDS_REDIS__URL the server; without one an embedded server is started.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
python=${PYTHON:-python3}
"$python" "$here/scripts/verify.py" >&2
export BANDS_CONFIG="${BANDS_CONFIG:-$here/configs/bands.toml}"
# Beside the package, so that it stays as it was packed.
export BANDS_WORKSPACE="${BANDS_WORKSPACE:-$here.var}"
exec "$python" -m ops.cli worker --bundle "$here/models" "$@"
