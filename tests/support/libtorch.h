#pragma once

// LibTorch defines a CHECK of its own, which ends the program: a test that uses both includes this file last.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#undef CHECK
#define CHECK(...) DOCTEST_CHECK(__VA_ARGS__)
