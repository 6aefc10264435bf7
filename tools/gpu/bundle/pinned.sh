# Sourced by the two bundling scripts: gets the wheels of named packages, at the versions and hashes of our own locks.
# GPU_PYTHON: the Python version of the target machine, whose processor is x86-64.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
python=${PYTHON:-python3}
target=${GPU_PYTHON:-3.12}
work=$(mktemp -d "${TMPDIR:-/tmp}/graphside-bundle.XXXXXX")
trap 'rm -rf "$work"' EXIT

# pinned LOCK NAME...: print the part of a lock for these packages. Fails if the lock lacks one.
pinned() {
  lock=$1
  shift
  awk -v names="$*" '
    BEGIN { split(names, list, " "); for (i in list) missing[list[i]] = 1 }
    /^[a-z0-9]/ { split($1, parts, "=="); on = (parts[1] in missing); delete missing[parts[1]] }
    on { print }
    END { for (name in missing) { print FILENAME " has no " name > "/dev/stderr"; failed = 1 }; exit failed }
  ' "$root/requirements/$lock"
}

# wheels FOLDER REQUIREMENTS: download wheels. pip matches only the platform tags that are listed, so list every version.
wheels() {
  platforms=""
  for minor in 39 35 34 31 28 27 26 24 17 5; do
    platforms="$platforms --platform manylinux_2_${minor}_x86_64"
  done
  mkdir -p "$1"
  # shellcheck disable=SC2086 # words, each of them
  "$python" -m pip --disable-pip-version-check download --quiet --no-deps --require-hashes --only-binary :all: \
    --python-version "$target" --implementation cp $platforms \
    --platform manylinux2014_x86_64 --platform manylinux1_x86_64 --dest "$1" --requirement "$2"
}

# unpacked WHEELS SITE: unpack all wheels into one folder.
unpacked() {
  mkdir -p "$2"
  for wheel in "$1"/*.whl; do
    "$python" -m zipfile -e "$wheel" "$2"
  done
}

# packed SITE ARCHIVE: pack a folder. Uses one core and 2 GB of memory for minutes; unpacking needs Python alone.
packed() {
  mkdir -p "$(dirname "$2")"
  tar -cf - -C "$1" . | xz --x86 --lzma2=preset=6,dict=192MiB,mf=bt4,nice=128 >"$2"
  ls -l "$2"
  sha256sum "$2"
}
