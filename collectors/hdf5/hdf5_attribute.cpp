// Attributes of Hdf5File.

#include "collectors/hdf5/hdf5_implementation.h"

namespace kvscope {
namespace {

using hdf5::check;
using hdf5::checked_handle;
using hdf5::Handle;
using hdf5::Subject;

/// An opened attribute with what is needed to read it.
struct Attribute {
  Handle id;
  Handle type;
  Handle space;
};

/// "object@name", for messages.
std::string label(std::string_view object, std::string_view name) {
  return fmt::format("{}@{}", object, name);
}

Attribute open_attribute(hid_t object, std::string_view name, const Subject& subject) {
  const std::string text(name);
  Attribute attribute;
  attribute.id = checked_handle(H5Aopen(object, text.c_str(), H5P_DEFAULT), subject, "open the attribute");
  attribute.type = checked_handle(H5Aget_type(attribute.id.get()), subject, "read the attribute");
  attribute.space = checked_handle(H5Aget_space(attribute.id.get()), subject, "read the attribute");
  return attribute;
}

template <typename T>
std::vector<T> numbers_of(const Attribute& attribute, const Subject& subject) {
  const H5T_class_t kind = H5Tget_class(attribute.type.get());
  if (kind != H5T_INTEGER && kind != H5T_FLOAT && kind != H5T_ENUM) {
    throw bad_input("{}: {}: expected numbers", subject.file.string(), subject.object);
  }
  const auto count = check(H5Sget_simple_extent_npoints(attribute.space.get()), subject, "read the attribute");
  std::vector<T> numbers(static_cast<std::size_t>(count));
  if (numbers.empty()) return numbers;
  check(H5Aread(attribute.id.get(), hdf5::native_type<T>(), numbers.data()), subject, "read the attribute");
  return numbers;
}

template <typename Value>
Value only(std::vector<Value> values, const Subject& subject) {
  if (values.size() == 1) return std::move(values.front());
  throw bad_input("{}: {}: expected one value, found {}", subject.file.string(), subject.object, values.size());
}

/// Writes in place where an attribute of this shape and type is there already, so that a kill between
/// deleting and making cannot lose it; otherwise replaces it.
void put(hid_t object, std::string_view name, hid_t type, const Handle& space, const void* values,
         const Subject& subject) {
  const std::string text(name);
  if (check(H5Aexists(object, text.c_str()), subject, "write the attribute") > 0) {
    const Attribute old = open_attribute(object, name, subject);
    const bool same = H5Tequal(old.type.get(), type) > 0 && H5Sextent_equal(old.space.get(), space.get()) > 0;
    if (same) {
      check(H5Awrite(old.id.get(), type, values), subject, "write the attribute");
      return;
    }
    check(H5Adelete(object, text.c_str()), subject, "replace the attribute");
  }
  const Handle made = checked_handle(H5Acreate2(object, text.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT),
                                     subject, "make the attribute");
  check(H5Awrite(made.get(), type, values), subject, "write the attribute");
}

Shape list_shape(std::size_t count) {
  return {static_cast<std::int64_t>(count)};
}

}  // namespace

bool Hdf5File::has_attribute(std::string_view object, std::string_view name) const {
  if (!has(object)) return false;
  const Subject subject = implementation_->reading(object);
  const Handle opened = implementation_->open_object(object, subject);
  return check(H5Aexists(opened.get(), std::string(name).c_str()), subject, "look up attributes") > 0;
}

std::vector<std::string> Hdf5File::text_list_attribute(std::string_view object, std::string_view name) const {
  const std::string where = label(object, name);
  const Subject subject = implementation_->reading(where);
  const Handle opened = implementation_->open_object(object, subject);
  const Attribute attribute = open_attribute(opened.get(), name, subject);
  return hdf5::read_texts(attribute.type.get(), attribute.space.get(), subject, [&](hid_t memory_type, void* buffer) {
    return H5Aread(attribute.id.get(), memory_type, buffer);
  });
}

std::string Hdf5File::text_attribute(std::string_view object, std::string_view name) const {
  const std::string where = label(object, name);
  return only(text_list_attribute(object, name), implementation_->reading(where));
}

std::int64_t Hdf5File::integer_attribute(std::string_view object, std::string_view name) const {
  const std::string where = label(object, name);
  const Subject subject = implementation_->reading(where);
  const Handle opened = implementation_->open_object(object, subject);
  const Attribute attribute = open_attribute(opened.get(), name, subject);
  if (H5Tget_class(attribute.type.get()) == H5T_FLOAT) {
    throw bad_input("{}: {}: expected an integer, found a floating-point number", subject.file.string(), where);
  }
  return only(numbers_of<std::int64_t>(attribute, subject), subject);
}

std::vector<double> Hdf5File::number_list_attribute(std::string_view object, std::string_view name) const {
  const std::string where = label(object, name);
  const Subject subject = implementation_->reading(where);
  const Handle opened = implementation_->open_object(object, subject);
  return numbers_of<double>(open_attribute(opened.get(), name, subject), subject);
}

double Hdf5File::number_attribute(std::string_view object, std::string_view name) const {
  const std::string where = label(object, name);
  return only(number_list_attribute(object, name), implementation_->reading(where));
}

void Hdf5File::set_attribute(std::string_view object, std::string_view name, std::string_view text) {
  const std::string where = label(object, name);
  const Subject subject = implementation_->writing(where);
  const Handle opened = implementation_->open_object(object, subject);
  const std::string copy(text);
  const char* pointer = copy.c_str();
  const Handle type = hdf5::text_type();
  put(opened.get(), name, type.get(), hdf5::make_space({}, false, subject), &pointer, subject);
}

void Hdf5File::set_attribute(std::string_view object, std::string_view name, std::int64_t number) {
  const std::string where = label(object, name);
  const Subject subject = implementation_->writing(where);
  const Handle opened = implementation_->open_object(object, subject);
  put(opened.get(), name, H5T_NATIVE_INT64, hdf5::make_space({}, false, subject), &number, subject);
}

void Hdf5File::set_attribute(std::string_view object, std::string_view name, double number) {
  const std::string where = label(object, name);
  const Subject subject = implementation_->writing(where);
  const Handle opened = implementation_->open_object(object, subject);
  put(opened.get(), name, H5T_NATIVE_DOUBLE, hdf5::make_space({}, false, subject), &number, subject);
}

void Hdf5File::set_attribute(std::string_view object, std::string_view name, std::span<const std::int64_t> numbers) {
  const std::string where = label(object, name);
  const Subject subject = implementation_->writing(where);
  const Handle opened = implementation_->open_object(object, subject);
  const Handle space = hdf5::make_space(list_shape(numbers.size()), false, subject);
  put(opened.get(), name, H5T_NATIVE_INT64, space, numbers.data(), subject);
}

void Hdf5File::set_attribute(std::string_view object, std::string_view name, std::span<const double> numbers) {
  const std::string where = label(object, name);
  const Subject subject = implementation_->writing(where);
  const Handle opened = implementation_->open_object(object, subject);
  const Handle space = hdf5::make_space(list_shape(numbers.size()), false, subject);
  put(opened.get(), name, H5T_NATIVE_DOUBLE, space, numbers.data(), subject);
}

void Hdf5File::set_attribute(std::string_view object, std::string_view name, std::span<const std::string> texts) {
  const std::string where = label(object, name);
  const Subject subject = implementation_->writing(where);
  const Handle opened = implementation_->open_object(object, subject);
  std::vector<const char*> pointers;
  for (const auto& text : texts) pointers.push_back(text.c_str());
  const Handle type = hdf5::text_type();
  const Handle space = hdf5::make_space(list_shape(texts.size()), false, subject);
  put(opened.get(), name, type.get(), space, pointers.data(), subject);
}

}  // namespace kvscope
