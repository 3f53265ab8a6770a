#!/usr/bin/env bash
# Fills tests/gpu/packages/ with what kvscope needs beside nvcc, g++, CMake, ninja and Python's torch, so that run.sh builds
# on a machine that has nothing else and no network: libraries.tar.xz (Debian packages with what they depend on, unpacked, without
# documentation and static libraries), packages.txt (their versions), and the wheel with compute-sanitizer.
# Runs on Debian 12 with network; needs no root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

PACKAGES=(libfmt-dev nlohmann-json3-dev libeigen3-dev libtbb-dev libssl-dev libpng-dev libboost-program-options-dev
  libboost-context-dev libhdf5-dev libhwy-dev librandom123-dev doctest-dev libbenchmark-dev pkgconf)
# What every machine with g++ has, and what nothing of ours links: other languages' and other TLS libraries' variants.
LEFT_OUT='^(cpp.*|gcc-.*|libc6.*|libc-dev-bin|libgcc.*|libstdc.*|lib(a|l|t|ub|hwa)san.*|libitm1|libatomic1|libquadmath0|libgfortran.*|libgomp1|linux-libc-dev|libcrypt.*|rpcsvc-proto|libnsl.*|libtirpc.*|libdb5.3|libcurl.*(gnutls|nss).*|libcurl4-openssl-dev|libhdf5-(cpp|fortran|hl-cpp|hl-fortran).*|nss-plugin-pem|libnss3|libnspr4|libsqlite3-0|libudev1|libgnutls30-dev|pkg-config)$'
SANITIZER=nvidia-cuda-sanitizer-api==13.0.85
LARGEST_MIB=64

fail() { printf 'fill_packages: %s\n' "$*" >&2; exit 4; }
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || fail "this is no Debian"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
target=$PWD/packages
mkdir -p "$target" "$work/debs" "$work/tree"

mapfile -t wanted < <(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
  --no-enhances "${PACKAGES[@]}" | grep '^[a-z0-9]' | sort -u | grep -Ev "$LEFT_OUT")
[[ ${#wanted[@]} -gt ${#PACKAGES[@]} ]] || fail "apt knows too little: apt-get update"
echo "fill_packages: fetching ${#wanted[@]} packages" >&2
(cd "$work/debs" && apt-get download -qq -o APT::Sandbox::User=root "${wanted[@]}")

: >"$target/packages.txt"
for deb in "$work"/debs/*.deb; do
  dpkg-deb -x "$deb" "$work/tree"
  dpkg-deb -W --showformat='${Package} ${Version}\n' "$deb" >>"$target/packages.txt"
done
# Libraries lie in /lib and in /usr/lib; one of them is enough.
if [[ -d $work/tree/lib ]]; then cp -a "$work/tree/lib/." "$work/tree/usr/lib/" && rm -rf "$work/tree/lib"; fi
rm -rf "$work"/tree/{etc,var} "$work"/tree/usr/share/{doc,man,locale,lintian,bug,info}
find "$work/tree" -name '*.a' -delete
tar -C "$work/tree" -cf - usr | xz -T0 -6 >"$target/libraries.tar.xz"

python=python3
"$python" -m pip --version >/dev/null 2>&1 || python=/usr/bin/python3
rm -f "$target"/*.whl
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.11 \
  --implementation cp --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 --platform manylinux_2_17_x86_64 \
  --dest "$target" "$SANITIZER"

mebibytes=$(($(du -sb "$target" | cut -f1) / 1048576))
echo "fill_packages: $target holds $mebibytes MiB" >&2
[[ $mebibytes -lt $LARGEST_MIB ]] || fail "that is more than the $LARGEST_MIB MiB that may travel"
