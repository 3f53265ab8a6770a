#pragma once

// LibTorch and doctest together. LibTorch's logging header defines CHECK and its siblings too, which abort
// the process where doctest's report; whichever is included last wins. After this header doctest's do, so
// tests include it instead of <ATen/ATen.h>. Compare element types inside extra parentheses,
// CHECK((a.scalar_type() == at::kFloat)): doctest would print them through c10::toString, which it cannot use.
#include <ATen/ATen.h>
#include <doctest/doctest.h>

#undef CHECK
#undef CHECK_EQ
#undef CHECK_NE
#undef CHECK_GT
#undef CHECK_LT
#undef CHECK_GE
#undef CHECK_LE
#define CHECK DOCTEST_CHECK
#define CHECK_EQ DOCTEST_CHECK_EQ
#define CHECK_NE DOCTEST_CHECK_NE
#define CHECK_GT DOCTEST_CHECK_GT
#define CHECK_LT DOCTEST_CHECK_LT
#define CHECK_GE DOCTEST_CHECK_GE
#define CHECK_LE DOCTEST_CHECK_LE
