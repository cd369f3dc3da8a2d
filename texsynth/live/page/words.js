// What the page says of a texture.
export const percent = ({ step }) => `${Math.floor(100 * (step?.fraction ?? 0))} %`;

export function short(entry) {
  if (entry.status === "running") return entry.step ? percent(entry) : "beginning";
  return { waiting: "waiting", done: "done", stopped: "stopped", failed: "failed", kept: "was there already" }[entry.status];
}

// Read out when it changes: no more than once a level.
export function state(entry) {
  const { status, step, message } = entry;
  if (status === "running" && step) return `Level ${step.level} of ${step.levels}, ${step.size.join(" × ")} pixels`;
  return {
    waiting: "Waiting for its turn.",
    running: "Beginning: the network is loaded, and the exemplar measured.",
    done: `Done in ${message}.`,
    stopped: `Stopped after ${message}; what was there is kept.`,
    failed: `Failed: ${message}`,
    kept: "It was there already, and is kept.",
  }[status];
}

export function left(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 90) return `${Math.ceil(seconds)} s left`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min left`;
  return `${(seconds / 3600).toFixed(1)} h left`;
}
