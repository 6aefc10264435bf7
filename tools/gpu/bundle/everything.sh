#!/usr/bin/env bash
# everything.sh FOLDER: run every check that needs a GPU, the most important first, each with its own time limit. The
# answers go to FOLDER as they come. First it unpacks archives, if some were carried here.
set -u
out=${1:?a folder for answers}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "$0")/../../.." || exit
python=${GPU_PYTHON:-python3}
[ -x .gpuenv/bin/python ] && python=${GPU_PYTHON:-.gpuenv/bin/python}
export PYTHONUNBUFFERED=1 PYTHONNOUSERSITE=1 RAY_AUTH_MODE=disabled
status=0

step() { # step NAME SECONDS COMMAND...
  name=$1
  seconds=$2
  shift 2
  echo "== $name"
  timeout --signal INT --kill-after 20 "$seconds" "$@" >"$out/$name" 2>"$out/$name.log"
  code=$?
  [ "$code" -eq 0 ] || status=1
  echo "   ended with $code"
}

if [ -f .gpu1/cudf.txz ] || [ -f .gpu2/ray.txz ]; then
  step unpacked.txt 240 "$python" tools/gpu/bundle/unpack.py
fi
{ git rev-parse HEAD || true; nvidia-smi || true; uname -a; } >"$out/machine.txt" 2>&1
step probe.json 480 "$python" tools/gpu/probe.py --out "$out/probe.partial.json" --seconds 420
step trace.json 240 "$python" tools/gpu/trace.py
step trace-device-seat.json 240 "$python" tools/gpu/trace.py --against device_seat
if "$python" -c "import ray, orjson" 2>/dev/null; then
  step tests.txt 900 "$python" -m pytest -q -m gpu tests/gpu
  step bench.json 600 "$python" -m bench.gpu
fi
exit $status
