#pragma once

#include "reports/command_line/generation_options.h"

#include <ostream>

namespace kvscope {

/// Makes the text of a run ready before load_engine(), and once it is known that all else on the command line is
/// possible. Prompts become `text` and `negative_text`, in float32 on the device of the run, as `encode-text` does, and
/// the encoder is let go; they are cut at what the model reads, with a warning to `messages`. Features of a file are
/// held against the model. Nothing where the run has neither.
/// @throws Error  kUsage if the model generates classes; kBadInput naming the file or folder whose features have
/// another
///                width than the model reads, and as encode_prompts().
void prepare_text(GenerationSettings& settings, std::ostream& messages);

/// The same for figures about a run, which depend on the lengths of prompts alone: the encoder stays where it is.
void prepare_text_for_estimate(GenerationSettings& settings, std::ostream& messages);

}  // namespace kvscope
