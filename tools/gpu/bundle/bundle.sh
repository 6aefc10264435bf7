#!/usr/bin/env bash
# bundle.sh [whole]: pack cuDF and what it needs, without CUDA, CuPy, numba and pyarrow, into .gpu1/cudf.txz.
# Its libraries are slimmed to one generation of devices (GPU_ARCH; 90 is Hopper). Use the archive only for tests on a
# machine without network; never ship it. Downloads 340 MB, writes 2 GB of temporary files, takes minutes.
# whole: pack the unmodified wheels instead, in parts of 57 MB (.gpu1/wheels.tar.aa and so on), in case the driver
# refuses a slimmed library.
# shellcheck source=pinned.sh
. "$(dirname "$0")/pinned.sh"

pinned gpu.lock cudf-cu13 pylibcudf-cu13 libcudf-cu13 rmm-cu13 librmm-cu13 libkvikio-cu13 rapids-logger \
  nvidia-libnvcomp-cu13 nvtx cachetools graphistry lark palettable >"$work/pins.txt"
wheels "$work/wheels" "$work/pins.txt"

if [ "${1:-}" = whole ]; then
  mkdir -p "$root/.gpu1"
  tar -cf - -C "$work" wheels | split -b 57000000 - "$root/.gpu1/wheels.tar."
  ls -l "$root/.gpu1"
  exit
fi

unpacked "$work/wheels" "$work/site"
cd "$work/site"
rm -rf ./*/include ./*/lib64/cmake ./*/cmake libkvikio/share cudf/pandas/scripts nvidia/libnvcomp/include \
  nvidia/libnvcomp/bin nvidia/libnvcomp/lib64/libnvcomp_cpu* nvidia/libnvcomp/lib64/cmake
find . -type f \( -name '*.pyx' -o -name '*.pxd' -o -name '*.hpp' -o -name '*.h' -o -name '*.cuh' -o -name '*.a' \
  -o -name RECORD \) -delete
"$python" "$here/slim.py" --arch "${GPU_ARCH:-90}" \
  libcudf/lib64/libcudf.so nvidia/libnvcomp/lib64/libnvcomp.so.5 cudf/_lib/libcudf_strings_udf.so
# The machine's numba may be older than its numpy, which removed this name.
printf 'import numpy\n\nif not hasattr(numpy, "row_stack"):\n    numpy.row_stack = numpy.vstack\n' >sitecustomize.py
packed "$work/site" "$root/.gpu1/cudf.txz"
