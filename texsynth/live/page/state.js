// The textures by number, as far as the server has told of them.
export function merge(entries, message) {
  if (message.kind === "all") entries.clear();
  for (const told of message.entries ?? []) {
    const known = entries.get(told.number)?.points ?? [];
    entries.set(told.number, { ...told, points: [...known.slice(0, told.points_from), ...told.points] });
  }
}
