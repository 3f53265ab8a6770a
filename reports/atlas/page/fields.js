// What the grid of heads can be coloured by. A field: { id, group, label, note, unit, low, high, kind, at(step) },
// with at(step) one number for each head; `perStep` tells whether the step matters.

function fixedField(id, label, array, range, kind, note = "") {
  const values = floats(array).values;
  return { id, group: "Classification", label, note, low: range[0], high: range[1], kind, perStep: false, at: () => values };
}

function classificationFields() {
  const classes = atlas.classes;
  if (!classes) return [];
  const scores = floats(classes.score).values;
  const positive = scores.every((value) => value > 0);
  const fields = [
    { id: "class", group: "Classification", label: "Class", kind: "class", perStep: false, at: () => scores },
    fixedField("score", `${classes.score_label} (${classes.method})`, classes.score,
      roundRange(scores, false, positive), positive ? "log" : "linear", "what the classifier sorts by"),
    fixedField("margin", "Margin", classes.margin, roundRange(floats(classes.margin).values, true, false), "linear",
      "distance of the score from the split"),
  ];
  if (classes.confidence)
    fields.push(fixedField("confidence", "Confidence", classes.confidence, [0, 1], "linear",
      "share of the resamples of the samples that give this class"));
  if (classes.posterior)
    fields.push(fixedField("posterior", "Probability of being contextual", classes.posterior, [0, 1], "linear",
      "under a mixture of two kinds"));
  return fields;
}

/** One column of an array [head, step]; `rowOf` gives the row of a head, `scale` a factor. */
function columnOf(array, step, rowOf = (index) => index, scale = 1) {
  const { shape, values } = floats(array);
  const column = Math.min(step, shape[1] - 1);
  return Float32Array.from({ length: headCount }, (_, index) => scale * values[rowOf(index) * shape[1] + column]);
}

function scoreFields() {
  return atlas.scores.map((score) => ({
    id: `score:${score.name}`, group: "Scores", label: score.title, note: score.description,
    low: score.low, high: score.high, kind: score.logarithmic ? "log" : "linear", perStep: true,
    at: (step) => columnOf(score.mean, step),
  }));
}

function sensitivityFields() {
  if (!atlas.sensitivity) return [];
  return atlas.sensitivity.points.map((point) => {
    const values = floats(point.cost).values;
    const [low, high] = roundRange(values, false, true);
    return { id: `sensitivity:${point.tokens}`, group: "Sensitivity", label: point.label,
      note: "nats per token that the head costs if it alone carries so few, by its cheapest rule", unit: "nats per token", low, high, kind: "log", perStep: false, at: () => values };
  });
}

function planFields() {
  return atlas.plans.flatMap((plan) => {
    const keysOf = (step) => plan.steps[Math.min(step, plan.steps.length - 1)].keys;
    const all = plan.steps.length ? plan.steps[plan.steps.length - 1].keys : 1;
    return [
      { id: `attend:${plan.name}`, group: "Budgets", label: `Attended under ${plan.name}`, note: "share of the visible keys",
        low: 0, high: 1, kind: "linear", perStep: true,
        at: (step) => columnOf(plan.attend, step, keyValueHead, 1 / keysOf(step)) },
      { id: `carry:${plan.name}`, group: "Budgets", label: `Carried under ${plan.name}`, note: "share of all tokens, after the scale",
        low: 0, high: 1, kind: "linear", perStep: true, at: (step) => columnOf(plan.carry, step, keyValueHead, 1 / all) },
    ];
  });
}

function replayFields() {
  return atlas.replays.flatMap((replay) => {
    const field = (mode, id, label) => {
      const { shape, values } = floats(mode.output_error);
      if (shape[1] !== headCount) return null;
      const high = Math.max(1, roundRange(values, true, false)[1]);
      return { id: `${id}:${replay.name}`, group: "Replay error", label: `${label} under ${replay.name}`,
        note: "relative error of the head's output", low: 0, high, kind: "linear", perStep: true,
        at: (step) => floatRow(mode.output_error, Math.min(step, shape[0] - 1)) };
    };
    return [
      replay.forced && field(replay.forced, "error", "Teacher-forced error"),
      replay.free && field(replay.free, "error-free", "Free-running error"),
    ].filter(Boolean);
  });
}

const fields = [...classificationFields(), ...scoreFields(), ...sensitivityFields(), ...planFields(), ...replayFields()];

function fieldOf(id) {
  return fields.find((field) => field.id === id) || fields[0];
}

/** Fields as <optgroup>s. */
function fieldOptions() {
  const groups = new Map();
  for (const field of fields) {
    if (!groups.has(field.group)) groups.set(field.group, []);
    groups.get(field.group).push([field.id, field.label]);
  }
  return [...groups].map(([group, options]) => ({ group, options }));
}

function classOf(index) {
  if (!atlas.classes) return null;
  return atlas.classes.letters[index] === "C" ? "contextual" : "structural";
}

function isBorderline(index) {
  return Boolean(atlas.classes) && atlas.classes.borderline.includes(index);
}
