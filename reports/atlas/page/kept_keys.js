// Which keys a replay's heads attended to: bit sets that the replay stored for its first sample's conditional row.

/** Replays that know the kept keys of a head at a step: [[number, name], ...]. */
function replaysWithKept(index, stepIndex) {
  const data = headData(index);
  if (!data || !data.kept) return [];
  return atlas.replays.map((replay, number) => [String(number), replay.name])
    .filter(([number]) => data.kept[number] && data.kept[number][stepIndex]);
}

/** Uint8Array [keys], 1 where kept; null where the replay does not say. */
function keptKeys(index, replay, stepIndex) {
  const data = headData(index);
  const texts = data && data.kept && data.kept[replay];
  if (!texts || !texts[stepIndex]) return null;
  const bytes = bytesOf(texts[stepIndex]);
  return Uint8Array.from({ length: steps[stepIndex].keys }, (_, key) => (bytes[key >> 3] >> (key & 7)) & 1);
}

/** What the kept keys belong to, in a sentence. */
function keptOrigin(number) {
  const replay = atlas.replays[number];
  const label = replay.first_prompt !== undefined ? `, “${replay.first_prompt}”`
    : replay.first_label === undefined ? "" : `, label ${replay.first_label}`;
  const seed = replay.seed === undefined ? "" : ` (seed ${replay.seed}${label})`;
  return `Kept keys are those of the replay's own first sample${seed}, conditional row; the map is the capture's.`;
}
