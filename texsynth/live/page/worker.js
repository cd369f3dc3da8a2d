// One connection for all pages of a browser, which allows no more than six to a server.
import { listen } from "./listen.js";
import { merge } from "./state.js";

const ports = new Set(), entries = new Map();
let title = null, last = null;

function everything() {
  return { kind: "all", title, entries: [...entries.values()].map((entry) => ({ ...entry, points_from: 0 })) };
}

self.onconnect = ({ ports: [port] }) => {
  ports.add(port);
  port.onmessage = () => ports.delete(port);  // a page says so when it goes
  if (title !== null) port.postMessage(everything());
  if (last === "over" || last === "lost") port.postMessage({ kind: last });
};

listen((message) => {
  last = message.kind;
  title = message.title ?? title;
  merge(entries, message);
  for (const port of ports) port.postMessage(message);
});
