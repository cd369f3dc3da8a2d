// What the server sends, as messages {kind, ...}; for a page, or for the worker of several.
const EVENTS = new URL("../events", import.meta.url);

export function listen(heard) {
  const source = new EventSource(EVENTS);
  for (const kind of ["all", "changes"]) {
    source.addEventListener(kind, (event) => heard({ kind, ...JSON.parse(event.data) }));
  }
  source.addEventListener("over", () => {
    source.close();
    heard({ kind: "over" });
  });
  source.onerror = () => heard({ kind: "lost" });  // it tries again by itself
}
