// Streams run what they are given at once. While one is captured, what it and the streams forked
// from it are given is kept instead, with what must have run before it; the graph made of that is
// replayed.
#include "hostcuda.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <set>
#include <vector>

namespace hc {

// Of each stream of a capture, how many of its operations come before.
using Clock = std::map<int, int>;

static void merge(Clock& into, const Clock& from) {
  for (auto [stream, number] : from) into[stream] = std::max(into[stream], number);
}

static bool holds(const Clock& clock, const Clock& needed) {
  return std::all_of(needed.begin(), needed.end(), [&](auto& each) {
    auto found = clock.find(each.first);
    return each.second == 0 || (found != clock.end() && found->second >= each.second);
  });
}

struct Node {
  Operation operation;
  int stream;
  Clock before;
};
using Graph = std::vector<Node>;

struct Stream {
  int number;
  unsigned flags;
  bool is_captured = false;
  Clock clock;
};

struct Event {
  std::chrono::steady_clock::time_point at;
  int capture = 0;  // in which it was recorded last
  Clock clock;
};

struct Capture {
  int number;
  Stream* origin;
  cudaStreamCaptureMode mode;
  std::set<Stream*> streams;
  std::unique_ptr<Graph> graph = std::make_unique<Graph>();
  bool is_spoilt = false;

  bool is_of_blocking_stream() const {
    return std::any_of(streams.begin(), streams.end(),
                       [](Stream* s) { return !(s->flags & cudaStreamNonBlocking); });
  }
};

static std::unique_ptr<Capture> capture;  // one at a time
static int captures = 0;
static int last_error = 0;

int fail(int error) {
  if (error) last_error = error;
  return error;
}

// Null for the legacy stream (0 and 1) and a thread's own default one (2), which is treated so,
// too.
static Stream* stream_of(void* handle) {
  return (uintptr_t)handle <= 2 ? nullptr : (Stream*)handle;
}

bool is_capturing(void* handle) {
  Stream* stream = stream_of(handle);
  return stream && stream->is_captured;
}
bool is_anything_capturing() {
  return capture != nullptr;
}

int spoil_capture(const std::string& what, int error) {
  if (getenv("HOSTCUDA_VERBOSE"))
    fprintf(stderr, "hostcuda: not permitted during a capture: %s\n", what.c_str());
  note("FORBIDDEN IN CAPTURE " + what);
  capture->is_spoilt = true;
  return fail(error);
}

int refuse_in_capture(const char* what, int error) {
  // A relaxed capture permits what does not touch the streams that it captures.
  if (!capture || (capture->mode == cudaStreamCaptureModeRelaxed && error == 900)) return 0;
  return spoil_capture(what, error);
}

static bool is_skipped(const Operation& operation) {
  return is_skipping() && operation.kind != Counter::h2d && operation.kind != Counter::d2h;
}

static void run(const Operation& operation) {
  if (operation.bytes) counter(operation.bytes_kind) += operation.bytes;
  if (!is_skipped(operation)) operation.work();
}

int enqueue(void* handle, Operation operation) {
  Stream* stream = stream_of(handle);
  if (stream && stream->is_captured) {
    if (capture->is_spoilt) return fail(cudaErrorStreamCaptureInvalidated);
    capture->graph->push_back({std::move(operation), stream->number, stream->clock});
    stream->clock[stream->number]++;
    return 0;
  }
  if (capture && !stream && capture->is_of_blocking_stream())
    return spoil_capture(operation.name + " on the legacy stream", cudaErrorStreamCaptureImplicit);
  counter(operation.kind)++;
  note(operation.name);
  OpenMemory open;
  run(operation);
  return 0;
}

// An order that the dependencies allow and that differs from that of the capture where they leave a
// choice: of what may run, what was captured last. So a missing event between streams is seen.
static Graph in_another_order(const Graph& graph) {
  std::vector<const Node*> waiting;
  for (const Node& node : graph) waiting.push_back(&node);
  Graph ordered;
  Clock done;
  while (!waiting.empty()) {
    auto next = std::find_if(waiting.rbegin(), waiting.rend(),
                             [&](const Node* node) { return holds(done, node->before); });
    ordered.push_back(**next);
    done[(*next)->stream]++;
    waiting.erase(std::next(next).base());
  }
  return ordered;
}

static int end_capture(Stream* stream, Graph** graph) {
  *graph = nullptr;
  if (!capture || !stream || !stream->is_captured) return cudaErrorIllegalState;
  if (stream != capture->origin)
    return spoil_capture("end in a forked stream", cudaErrorStreamCaptureUnmatched);
  std::unique_ptr<Capture> ended = std::move(capture);
  bool is_joined = true;
  for (Stream* each : ended->streams) {
    is_joined &= holds(stream->clock, {{each->number, each->clock[each->number]}});
    each->is_captured = false;
  }
  for (Stream* each : ended->streams) each->clock.clear();
  if (ended->is_spoilt) return cudaErrorStreamCaptureInvalidated;
  if (!is_joined) return cudaErrorStreamCaptureUnjoined;
  *graph = ended->graph.release();
  return 0;
}

static int wait_event(Stream* stream, Event* event) {
  bool is_event_captured = capture && event->capture == capture->number;
  if (stream && stream->is_captured) {
    if (event->capture && is_event_captured)
      merge(stream->clock, event->clock);
    else
      return spoil_capture("a wait for an event from outside", cudaErrorStreamCaptureIsolation);
    return 0;
  }
  if (is_event_captured) {  // forks the stream into the capture
    if (!stream)
      return spoil_capture("a wait in the legacy stream", cudaErrorStreamCaptureImplicit);
    stream->is_captured = true;
    stream->clock = event->clock;
    capture->streams.insert(stream);
    return 0;
  }
  return event->capture ? fail(cudaErrorCapturedEvent) : 0;
}

static int synchronise(const char* what) {
  // Refused in every mode: it would wait for what the capture only keeps, or may.
  if (capture) return spoil_capture(what, cudaErrorStreamCaptureUnsupported);
  counter(Counter::syncs)++;
  note(std::string("SYNC ") + what);
  return 0;
}

}  // namespace hc

using namespace hc;

HC_API cudaError_t cudaGetLastError() {
  int error = last_error;
  last_error = 0;
  return (cudaError_t)error;
}
HC_API cudaError_t cudaPeekAtLastError() {
  return (cudaError_t)last_error;
}

// A library that stands in by Python, and takes part in no capture.
HC_API int hc_library_call(const char* what) {
  if (capture) return spoil_capture(what, cudaErrorStreamCaptureUnsupported);
  counter(Counter::library_calls)++;
  note(what);
  return 0;
}

HC_API cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  static int created = 0;
  *stream = (cudaStream_t) new Stream{++created, flags};
  return cudaSuccess;
}
HC_API cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}
HC_API cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  return cudaStreamCreateWithFlags(stream, flags);
}
HC_API cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  Stream* stream = stream_of(handle);
  if (stream && stream->is_captured) return (cudaError_t)spoil_capture("cudaStreamDestroy", 900);
  delete stream;
  return cudaSuccess;
}
HC_API cudaError_t cudaStreamGetPriority(cudaStream_t, int* priority) {
  *priority = 0;
  return cudaSuccess;
}
HC_API cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = *greatest = 0;
  return cudaSuccess;
}
HC_API cudaError_t cudaStreamQuery(cudaStream_t) {
  return (cudaError_t)(capture ? spoil_capture("cudaStreamQuery", 900) : 0);
}
HC_API cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return (cudaError_t)synchronise("stream");
}
HC_API cudaError_t cudaDeviceSynchronize() {
  return (cudaError_t)synchronise("device");
}
HC_API cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  return (cudaError_t)wait_event(stream_of(stream), (Event*)event);
}
HC_API cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  return (cudaError_t)enqueue(stream, {"host function", Counter::events, [=] { function(data); }});
}
HC_API cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t function,
                                         void* data, unsigned) {
  if (is_capturing(stream)) return (cudaError_t)spoil_capture("cudaStreamAddCallback", 900);
  function(stream, cudaSuccess, data);
  return cudaSuccess;
}

HC_API cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  Stream* stream = stream_of(handle);
  if (!stream) return (cudaError_t)fail(cudaErrorStreamCaptureUnsupported);
  if (capture) return (cudaError_t)fail(cudaErrorIllegalState);
  capture.reset(new Capture{++captures, stream, mode, {stream}});
  stream->is_captured = true;
  stream->clock = {{stream->number, 0}};
  return cudaSuccess;
}
HC_API cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  return (cudaError_t)fail(end_capture(stream_of(stream), (Graph**)graph));
}
HC_API cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  *status = !is_capturing(stream) ? cudaStreamCaptureStatusNone
            : capture->is_spoilt  ? cudaStreamCaptureStatusInvalidated
                                  : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

HC_API cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete (Graph*)graph;
  return cudaSuccess;
}
HC_API cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, size_t* number) {
  *number = ((Graph*)graph)->size();
  return cudaSuccess;
}
HC_API cudaError_t cudaGraphInstantiate(cudaGraphExec_t* ready, cudaGraph_t graph,
                                        unsigned long long) {
  *ready = (cudaGraphExec_t) new Graph(in_another_order(*(Graph*)graph));
  return cudaSuccess;
}
HC_API cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* ready, cudaGraph_t graph,
                                                 unsigned long long flags) {
  return cudaGraphInstantiate(ready, graph, flags);
}
HC_API cudaError_t cudaGraphExecDestroy(cudaGraphExec_t ready) {
  delete (Graph*)ready;
  return cudaSuccess;
}
HC_API cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) {
  return cudaSuccess;
}
HC_API cudaError_t cudaGraphLaunch(cudaGraphExec_t ready, cudaStream_t stream) {
  if (is_capturing(stream))
    return (cudaError_t)spoil_capture("cudaGraphLaunch (hostcuda has no graph in a graph)", 900);
  const Graph& graph = *(Graph*)ready;
  Operation replay{"GRAPH of " + std::to_string(graph.size()), Counter::graph_launches, [&] {}};
  if (int error = enqueue(stream, replay)) return (cudaError_t)error;
  OpenMemory open;
  counter(Counter::graph_nodes) += graph.size();
  for (const Node& node : graph) run(node.operation);
  return cudaSuccess;
}

HC_API cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = (cudaEvent_t) new Event;
  return cudaSuccess;
}
HC_API cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, 0);
}
HC_API cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete (Event*)event;
  return cudaSuccess;
}
HC_API cudaError_t cudaEventRecord(cudaEvent_t handle, cudaStream_t stream) {
  auto* event = (Event*)handle;
  if (is_capturing(stream)) {
    event->capture = capture->number;
    event->clock = stream_of(stream)->clock;
    return cudaSuccess;
  }
  if (int error = enqueue(stream, {"event", Counter::events, [] {}})) return (cudaError_t)error;
  event->capture = 0;
  event->at = std::chrono::steady_clock::now();
  return cudaSuccess;
}
HC_API cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (((Event*)event)->capture) return (cudaError_t)fail(cudaErrorCapturedEvent);
  return (cudaError_t)synchronise("event");
}
HC_API cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (((Event*)event)->capture) return (cudaError_t)fail(cudaErrorCapturedEvent);
  return (cudaError_t)refuse_in_capture("cudaEventQuery");
}
HC_API cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  auto *from = (Event*)begin, *to = (Event*)end;
  if (from->capture || to->capture) return (cudaError_t)fail(cudaErrorCapturedEvent);
  *milliseconds = std::chrono::duration<float, std::milli>(to->at - from->at).count();
  return cudaSuccess;
}
