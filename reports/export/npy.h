#pragma once

#include "reports/export/named_array.h"
#include "reports/tables/table.h"

#include <string>
#include <vector>

namespace kvscope {

// numpy's own file formats (numpy.lib.format, version 1.0; little-endian, row-major), without any pickle: np.load reads
// them as it is. The same arrays give the same bytes.

/// A .npy file.
/// @throws Error  kUsage if shape and elements contradict each other.
[[nodiscard]] std::string npy_bytes(const NamedArray& array);

/// A .npy file with a structured array: one record per row, one field per column. Numbers are float64 (nothing:
/// not-a-number), columns with counts only are int64, text is unicode.
[[nodiscard]] std::string npy_bytes(const Table& table);

/// A .npz file: a zip archive of stored .npy files, one per array.
/// @throws Error  kUsage for two arrays of one name, or more than 4 GiB.
[[nodiscard]] std::string npz_bytes(const std::vector<NamedArray>& arrays);

/// The columns of a table, with the types of npy_bytes(table).
[[nodiscard]] std::vector<NamedArray> columns_as_arrays(const Table& table);

}  // namespace kvscope
