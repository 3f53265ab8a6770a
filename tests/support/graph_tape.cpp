#include "support/graph_tape.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <ATen/ops/empty.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/library.h>

#include <cstring>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace kvscope::testing {
namespace {

using torch::jit::Stack;

/// The tensors among arguments or results, those in lists included.
std::vector<at::Tensor> tensors_of(const Stack& values) {
  std::vector<at::Tensor> tensors;
  for (const c10::IValue& value : values) {
    if (value.isTensor() && value.toTensor().defined()) tensors.push_back(value.toTensor());
    if (!value.isTensorList()) continue;
    for (const at::Tensor& tensor : value.toTensorVector()) tensors.push_back(tensor);
  }
  return tensors;
}

c10::StorageImpl* storage_of(const at::Tensor& tensor) {
  return tensor.storage().unsafeGetStorageImpl();
}

class Tape : public DeviceGraph {
 public:
  explicit Tape(std::shared_ptr<GraphTape::Counts> counts) : counts_(std::move(counts)) {}

  void record(std::function<void()> work) { entries_.push_back(std::move(work)); }

  /// Does an operation, so that the host gets tensors to go on with, and records it.
  void record(const c10::OperatorHandle& operation, Stack& stack) {
    const c10::FunctionSchema& schema = operation.schema();
    if (schema.name() == "aten::item" || schema.name() == "aten::_local_scalar_dense") {
      throw std::runtime_error("a value is read back while a graph is captured");
    }
    const auto n_argument = static_cast<std::ptrdiff_t>(schema.arguments().size());
    const Stack arguments(stack.end() - n_argument, stack.end());
    std::vector<std::pair<at::Tensor, at::Tensor>> before;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      const c10::AliasInfo* alias = schema.arguments()[i].alias_info();
      if (alias == nullptr || !alias->isWrite() || !arguments[i].isTensor()) continue;
      const at::Tensor& target = arguments[i].toTensor();
      if (!own_.contains(storage_of(target))) before.emplace_back(target, target.clone());
    }
    operation.callBoxed(stack);
    for (const auto& [target, value] : before) target.copy_(value);
    const Stack results(stack.end() - static_cast<std::ptrdiff_t>(schema.returns().size()), stack.end());
    std::set<c10::StorageImpl*> given;
    for (const at::Tensor& tensor : tensors_of(arguments)) given.insert(storage_of(tensor));
    for (const at::Tensor& tensor : tensors_of(results)) {
      if (!given.contains(storage_of(tensor))) own_.emplace(storage_of(tensor), tensor.storage());
    }
    operations_.push_back({arguments, results});
    entries_.push_back([this, operation, place = operations_.size() - 1] { repeat(operation, operations_[place]); });
  }

  /// Outside of this tape nothing may hold what is overwritten by every replay.
  void check_nothing_is_left() const {
    std::map<c10::TensorImpl*, std::size_t> mentions;
    std::map<c10::StorageImpl*, std::size_t> holders;
    for (const Operation& operation : operations_) {
      for (const Stack* values : {&operation.arguments, &operation.results}) {
        for (const at::Tensor& tensor : tensors_of(*values)) {
          if (!own_.contains(storage_of(tensor))) continue;
          if (++mentions[tensor.unsafeGetTensorImpl()] == 1) ++holders[storage_of(tensor)];
        }
      }
    }
    for (const auto& [tensor, count] : mentions) {
      if (c10::raw::intrusive_ptr::use_count(tensor) > count) throw std::runtime_error(kLeft);
    }
    for (const auto& [storage, holder] : own_) {
      // This tape itself is one of them.
      if (holder.use_count() > holders[storage] + 1) throw std::runtime_error(kLeft);
    }
  }

  void replay() override {
    ++counts_->replays;
    for (const auto& [storage, holder] : own_) std::memset(holder.mutable_data(), 0xFF, holder.nbytes());  // NaN
    for (const auto& entry : entries_) entry();
  }

 private:
  struct Operation {
    Stack arguments, results;
  };
  static constexpr const char* kLeft = "a tensor that was made while a graph was captured is still held";

  /// What the operation makes anew goes to where its first results are.
  static void repeat(const c10::OperatorHandle& operation, const Operation& recorded) {
    Stack stack = recorded.arguments;
    operation.callBoxed(stack);
    const std::vector<at::Tensor> found = tensors_of(stack);
    const std::vector<at::Tensor> wanted = tensors_of(recorded.results);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (storage_of(wanted[i]) != storage_of(found[i])) wanted[i].copy_(found[i]);
    }
  }

  std::shared_ptr<GraphTape::Counts> counts_;
  std::vector<Operation> operations_;
  std::vector<std::function<void()>> entries_;
  std::map<c10::StorageImpl*, c10::Storage> own_;  ///< memory made while capturing
};

thread_local Tape* capturing = nullptr;

void record_operation(const c10::OperatorHandle& operation, Stack* stack) {
  const c10::impl::ExcludeDispatchKeyGuard unrecorded(c10::DispatchKey::TESTING_ONLY_GenericMode);
  capturing->record(operation, *stack);
}

}  // namespace

// Every operation comes here first while a thread includes the key.
TORCH_LIBRARY_IMPL(_, TESTING_ONLY_GenericMode, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&record_operation>());
}

std::unique_ptr<DeviceGraph> GraphTape::capture(const std::function<void()>& work) {
  ++counts_->captures;
  auto tape = std::make_unique<Tape>(counts_);
  {
    capturing = tape.get();
    const std::shared_ptr<void> at_the_end(nullptr, [](void*) { capturing = nullptr; });
    const c10::impl::IncludeDispatchKeyGuard recorded(c10::DispatchKey::TESTING_ONLY_GenericMode);
    work();
  }
  tape->check_nothing_is_left();
  return tape;
}

void GraphTape::record(std::function<void()> work) {
  if (capturing == nullptr) return work();
  capturing->record(std::move(work));
}

}  // namespace kvscope::testing
