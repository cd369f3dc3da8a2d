// Tells the page of every message, by way of the worker where the browser has such workers.
import { listen } from "./listen.js";

export function connect(heard) {
  if (!window.SharedWorker) return listen(heard);
  const worker = new SharedWorker(new URL("worker.js", import.meta.url), { type: "module" });
  worker.onerror = () => listen(heard);
  worker.port.onmessage = ({ data }) => heard(data);
  addEventListener("pagehide", () => worker.port.postMessage("bye"));
  // A page that comes back as it was has been told nothing meanwhile.
  addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
}
