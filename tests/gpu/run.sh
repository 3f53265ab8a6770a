#!/usr/bin/env bash
# Builds kvscope on a machine with a GPU and proves it there: gpu tests, compute-sanitizer, benchmarks, a profile; all in one
# JSON. Needs nvcc, g++, CMake, ninja and a Python whose torch has a GPU side; what else is needed travels in tests/gpu/packages/
# (fill_packages.sh). --help lists the options.
exec python3 "$(dirname "${BASH_SOURCE[0]}")/run.py" "$@"
