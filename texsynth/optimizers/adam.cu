// A step of Adam (Kingma and Ba 2015, algorithm 1) on the device: whether loss and gradient are sound,
// and what is done of it.

#define THREADS 256
#define INFINITE __int_as_float(0x7f800000)  // NVRTC has no INFINITY
#define NOT_A_NUMBER __longlong_as_double(0x7ff8000000000000)
#define BETA1 .9
#define BETA2 .999
#define EPSILON 1e-8f
#define DIVERGED 10       // times the loss of the start; noise is far off already
#define MOST_FAILURES 3

enum Status { ACCEPTED, AGAIN, START_LOSS, DIVERGENCE };

// What the host reads after each evaluation comes first.
struct State {
    double loss;          // of the evaluation, or the best one where it ended
    int status;
    int nowhere;          // whether the step ended at an image that is not finite
    int failures;         // in a row
    double first, best;   // losses
    double rate;
    int t;                // steps since the moments were forgotten
    int has_first, has_best, is_back;
    int improves, goes_back;  // what advance is to do beside the step
    float step;           // with the bias of the moments taken out
};

// The largest |g| of each block; infinity where one is not finite.
extern "C" __global__ void measure(const float* gradient, long long n, float* parts) {
    __shared__ float found[THREADS];
    float largest = 0.f;
    for (long long i = (long long)blockIdx.x * THREADS + threadIdx.x; i < n; i += (long long)gridDim.x * THREADS) {
        float g = fabsf(gradient[i]);
        largest = isfinite(g) ? fmaxf(largest, g) : INFINITE;
        if (largest == INFINITE) break;
    }
    found[threadIdx.x] = largest;
    for (int step = THREADS / 2; step; step /= 2) {
        __syncthreads();
        if (threadIdx.x < step) found[threadIdx.x] = fmaxf(found[threadIdx.x], found[threadIdx.x + step]);
    }
    if (threadIdx.x == 0) parts[blockIdx.x] = found[0];
}

extern "C" __global__ void decide(State* state, const float* parts, int count, const float* evaluated) {
    double loss = *evaluated;
    bool sound = !state->nowhere;
    state->nowhere = 0;
    for (int i = 0; i < count; ++i) sound &= parts[i] < INFINITE;
    if (!state->has_first) {
        state->first = loss;
        state->has_first = 1;
    }
    sound &= loss <= state->first + (DIVERGED - 1) * fabs(state->first);
    state->improves = state->goes_back = 0;
    if (sound) {
        state->improves = !state->has_best || loss < state->best;
        if (state->improves) state->best = loss;
        state->has_best = 1;
        if (!state->is_back) state->failures = 0;
        state->is_back = 0;
        ++state->t;
        state->step = (float)(state->rate * sqrt(1 - pow(BETA2, state->t)) / (1 - pow(BETA1, state->t)));
        state->loss = loss;
        state->status = ACCEPTED;
    } else if (!state->has_best) {
        state->loss = NOT_A_NUMBER;
        state->status = START_LOSS;
    } else {
        state->goes_back = state->is_back = 1;
        state->t = 0;
        state->rate *= .1;
        state->loss = state->best == state->first ? NOT_A_NUMBER : state->best;
        state->status = ++state->failures == MOST_FAILURES ? DIVERGENCE : AGAIN;
    }
}

extern "C" __global__ void advance(
    State* state, float* image, const float* gradient, float* m, float* v, float* best, long long n) {
    long long i = (long long)blockIdx.x * THREADS + threadIdx.x;
    if (i >= n) return;
    if (state->goes_back) {
        image[i] = best[i];
        m[i] = v[i] = 0.f;
    } else if (state->status == ACCEPTED) {
        if (state->improves) best[i] = image[i];
        float g = gradient[i];
        m[i] += (float)(1 - BETA1) * (g - m[i]);
        v[i] += (float)(1 - BETA2) * (g * g - v[i]);
        float value = image[i] - state->step * m[i] / (sqrtf(v[i]) + EPSILON);
        image[i] = value;
        if (!isfinite(value)) state->nowhere = 1;
    }
}
