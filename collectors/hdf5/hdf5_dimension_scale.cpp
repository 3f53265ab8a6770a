// Dimension scales and links of Hdf5File.

#include "collectors/hdf5/hdf5_implementation.h"

#include <hdf5_hl.h>

namespace kvscope {

using hdf5::check;
using hdf5::checked_handle;
using hdf5::Handle;
using hdf5::Subject;

void Hdf5File::make_dimension_scale(std::string_view dataset, std::string_view name) {
  const Subject subject = implementation_->writing(dataset);
  const Handle opened = implementation_->open_dataset(dataset, subject);
  check(H5DSset_scale(opened.get(), std::string(name).c_str()), subject, "make a dimension scale of it");
}

void Hdf5File::attach_dimension_scale(std::string_view dataset, std::int64_t axis, std::string_view scale) {
  const Subject subject = implementation_->writing(dataset);
  const Handle opened = implementation_->open_dataset(dataset, subject);
  const Handle described = implementation_->open_dataset(scale, implementation_->writing(scale));
  check(H5DSattach_scale(opened.get(), described.get(), static_cast<unsigned>(axis)), subject,
        "attach a dimension scale");
}

void Hdf5File::make_link(std::string_view object, std::string_view link) {
  const Subject subject = implementation_->writing(link);
  const Handle properties = checked_handle(H5Pcreate(H5P_LINK_CREATE), subject, "link");
  check(H5Pset_create_intermediate_group(properties.get(), 1), subject, "link");
  check(H5Lcreate_hard(implementation_->id(), std::string(object).c_str(), implementation_->id(),
                       std::string(link).c_str(), properties.get(), H5P_DEFAULT),
        subject, "link");
}

}  // namespace kvscope
