// A step of L-BFGS on the device: what is measured at a trial, what is decided of it, and where to go.
//
// The curvature pairs are rows of one matrix, (2 m, n): m changes of the image, then m changes of the
// gradient. Everything that the two-loop recursion asks of them are inner products among these rows and
// with the gradient, which are kept and mended a row at a time (Chen, Wang and Zhou 2014, "Large-scale
// L-BFGS using MapReduce"): the recursion itself is then done on 2 m + 1 coefficients.

#define THREADS 256
#define ROWS 4            // of the matrix, that a block multiplies at once
#define MOST_PAIRS 64
#define OWN 6             // products of a trial's own changes: ss, sy, yy, sg, yg, gg; and the largest |g|

#define SUFFICIENT_DECREASE 1e-4  // c1 of Nocedal and Wright's equation 3.4
#define CURVATURE 1e-10           // s.y over y.y below this is rounding, not curvature
#define TINY 1e-30                // what is smaller cannot be divided by
#define MOST_TRIALS 12

enum Status { ACCEPTED, AGAIN, START_LOSS, START_GRADIENT, NO_GRADIENT, NO_STEP };

// What the host reads after each trial comes first.
struct State {
    double loss;          // at the image that is stood on
    int status;
    int ends;             // why no further step can be taken after this one: a Status, or 0
    int trials;           // along the present direction
    int stands;           // whether there is an image that is stood on
    int count, newest;    // pairs; the row of the last one
    int moves, keeps, turns;  // what advance is to do: take the trial; as a pair, in row keeps; a new direction
    double slope, step, first_step, largest, squared;
};

// The image of the next trial: start + step * direction.
extern "C" __global__ void move(const State* state, const float* start, const float* direction, float* image, long long n) {
    long long i = (long long)blockIdx.x * THREADS + threadIdx.x;
    if (i < n && state->stands) image[i] = start[i] + (float)state->step * direction[i];
}

__device__ float add_up(float value) {
    __shared__ float sums[THREADS / 32];
    #pragma unroll
    for (int lane = 16; lane; lane /= 2) value += __shfl_down_sync(~0u, value, lane);
    if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = value;
    __syncthreads();
    value = 0.f;
    if (threadIdx.x == 0)
        for (int w = 0; w < THREADS / 32; ++w) value += sums[w];
    __syncthreads();
    return value;
}

__device__ float find_largest(float value) {
    __shared__ float found[THREADS / 32];
    #pragma unroll
    for (int lane = 16; lane; lane /= 2) value = fmaxf(value, __shfl_down_sync(~0u, value, lane));
    if (threadIdx.x % 32 == 0) found[threadIdx.x / 32] = value;
    __syncthreads();
    if (threadIdx.x == 0)
        for (int w = 0; w < THREADS / 32; ++w) value = fmaxf(value, found[w]);
    __syncthreads();
    return value;
}

// Sums of products over a chunk of the image, blockIdx.x, left in parts[product * chunks + chunk]. The
// products of a row with s, y and g come in threes; those of s, y and g among themselves after them.
extern "C" __global__ void measure(
    const State* state, const float* pairs, const float* start, const float* last_gradient, const float* image,
    const float* gradient, long long n, int most, int chunk, float* parts) {
    int chunks = gridDim.x, own = blockIdx.y == gridDim.y - 1, first_row = blockIdx.y * ROWS;
    // Rows without a pair in them are left out, but never in part of a block: all its threads wait.
    bool used[ROWS];
    bool any = own;
    for (int r = 0; r < ROWS; ++r) {
        used[r] = !own && first_row + r < 2 * most && (first_row + r) % most < state->count;
        any |= used[r];
    }
    if (!any) return;
    float sums[3 * ROWS] = {}, largest = 0.f;
    long long from = (long long)blockIdx.x * chunk, to = min(from + chunk, n);
    for (long long i = from + threadIdx.x; i < to; i += THREADS) {
        float g = gradient[i], s = image[i] - start[i], y = g - last_gradient[i];
        if (own) {
            sums[0] += s * s; sums[1] += s * y; sums[2] += y * y;
            sums[3] += s * g; sums[4] += y * g; sums[5] += g * g;
            largest = fmaxf(largest, fabsf(g));
        } else {
            #pragma unroll
            for (int r = 0; r < ROWS; ++r)
                if (used[r]) {
                    float p = pairs[(first_row + r) * n + i];
                    sums[3 * r] += p * s; sums[3 * r + 1] += p * y; sums[3 * r + 2] += p * g;
                }
        }
    }
    long long place = (own ? 6LL * most : 3LL * first_row) * chunks + blockIdx.x;
    #pragma unroll
    for (int k = 0; k < 3 * ROWS; ++k)
        if (own ? k < OWN : used[k / 3]) {
            float sum = add_up(sums[k]);
            if (threadIdx.x == 0) parts[place + (long long)k * chunks] = sum;
        }
    if (own) {
        largest = find_largest(largest);
        if (threadIdx.x == 0) parts[place + (long long)OWN * chunks] = largest;
    }
}

__device__ double over_warp(double value) {
    #pragma unroll
    for (int lane = 16; lane; lane /= 2) value += __shfl_down_sync(~0u, value, lane);
    return __shfl_sync(~0u, value, 0);
}

// The parabola's minimiser as a share of the step (equation 3.57), within .1 and .5.
__device__ double shrinkage(double loss, double trial, double slope) {
    double curvature = 2 * (trial - loss - slope);
    if (!(isfinite(trial) && curvature > 0)) return .1;
    return fmin(.5, fmax(.1, -slope / curvature));
}

// Steepest descent, sized in grey levels, for want of pairs.
__device__ void descend(State* state, double* coefficients, int size) {
    state->count = 0;
    state->newest = -1;
    for (int j = 0; j < size; ++j) coefficients[j] = 0;
    coefficients[size - 1] = -state->first_step / state->largest;
    state->slope = coefficients[size - 1] * state->squared;
    state->turns = 1;
}

// Takes the trial as the image that is stood on, and its changes as a pair if there is curvature in them.
__device__ void take(State* state, double* table, const double* products, double loss, int most) {
    const double* own = products + 6 * most;
    int size = 2 * most + 1, g = size - 1;
    state->loss = loss;
    state->squared = own[5];
    state->largest = own[OWN];
    state->moves = 1;
    state->keeps = -1;
    state->trials = 0;
    state->step = 1;
    double sy = own[1], yy = own[2];
    if (state->stands && isfinite(yy) && sy > fmax(CURVATURE * yy, TINY)) {
        int row = (state->newest + 1) % most;
        state->newest = state->keeps = row;
        if (state->count < most) ++state->count;
    }
    for (int k = 0; k < state->count; ++k)
        for (int half = 0; half < 2; ++half) {
            int row = k + half * most;
            if (k == state->keeps) continue;
            const double* p = products + 3 * row;
            if (state->keeps >= 0) {
                table[row * size + state->keeps] = table[state->keeps * size + row] = p[0];
                table[row * size + state->keeps + most] = table[(state->keeps + most) * size + row] = p[1];
            }
            table[row * size + g] = table[g * size + row] = p[2];
        }
    table[g * size + g] = own[5];
    if (state->keeps >= 0) {
        int s = state->keeps, y = s + most;
        table[s * size + s] = own[0];
        table[s * size + y] = table[y * size + s] = own[1];
        table[y * size + y] = own[2];
        table[s * size + g] = table[g * size + s] = own[3];
        table[y * size + g] = table[g * size + y] = own[4];
    }
    state->stands = 1;
}

// What becomes of the trial; one thread's work.
__device__ void judge(State* state, double* table, double* coefficients, const double* products, double loss, int most) {
    double squared = products[6 * most + 5];
    state->moves = state->turns = 0;
    state->keeps = -1;
    if (!state->stands) {
        state->status = !isfinite(loss) ? START_LOSS : !isfinite(squared) ? START_GRADIENT : AGAIN;
        if (state->status != AGAIN) return;
        take(state, table, products, loss, most);
        if (state->largest <= TINY) state->status = NO_GRADIENT;
        else descend(state, coefficients, 2 * most + 1);
        return;
    }
    if (loss <= state->loss + SUFFICIENT_DECREASE * state->step * state->slope && isfinite(squared)) {
        take(state, table, products, loss, most);
        state->status = ACCEPTED;
        return;
    }
    state->status = AGAIN;
    state->step *= shrinkage(state->loss, loss, state->slope * state->step);
    if (++state->trials < MOST_TRIALS) return;
    if (state->count == 0) state->status = NO_STEP;
    else if (state->largest <= TINY) state->status = NO_GRADIENT;
    else descend(state, coefficients, 2 * most + 1);
    state->trials = 0;
    state->step = 1;
}

// The two-loop recursion (algorithm 7.4 with the scaling of equation 7.20) on coefficients; a warp's work.
__device__ void recur(State* state, const double* table, double* coefficients, int most) {
    __shared__ double alphas[MOST_PAIRS];
    int size = 2 * most + 1, lane = threadIdx.x, count = state->count, newest = state->newest;
    for (int j = lane; j < size; j += 32) coefficients[j] = j == size - 1 ? -1 : 0;
    __syncwarp();
    for (int age = 0; age < count; ++age) {
        int s = (newest - age + most) % most, y = s + most;
        double sum = 0;
        for (int j = lane; j < size; j += 32) if (j == size - 1 || j % most < count) sum += coefficients[j] * table[s * size + j];
        double alpha = over_warp(sum) / table[s * size + y];
        if (lane == 0) { alphas[age] = alpha; coefficients[y] -= alpha; }
        __syncwarp();
    }
    double scale = table[newest * size + newest + most] / table[(newest + most) * size + newest + most];
    for (int j = lane; j < size; j += 32) coefficients[j] *= scale;
    __syncwarp();
    for (int age = count - 1; age >= 0; --age) {
        int s = (newest - age + most) % most, y = s + most;
        double sum = 0;
        for (int j = lane; j < size; j += 32) if (j == size - 1 || j % most < count) sum += coefficients[j] * table[y * size + j];
        double beta = over_warp(sum) / table[s * size + y];
        if (lane == 0) coefficients[s] += alphas[age] - beta;
        __syncwarp();
    }
    double sum = 0;
    for (int j = lane; j < size; j += 32) if (j == size - 1 || j % most < count) sum += coefficients[j] * table[(size - 1) * size + j];
    double slope = over_warp(sum);
    if (lane == 0) { state->slope = slope; state->turns = 1; }
    __syncwarp();
}

// One block. Adds the parts up in their order, judges the trial, and makes the next direction's coefficients.
extern "C" __global__ void decide(
    State* state, double* table, double* coefficients, double* products, const float* parts, const float* loss,
    int most, int chunks) {
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32, rows = 6 * most;
    for (int product = warp; product <= rows + OWN; product += THREADS / 32) {
        if (product < rows && product / 3 % most >= state->count) continue;
        double sum = 0;
        for (int i = lane; i < chunks; i += 32) {
            float part = parts[(long long)product * chunks + i];
            sum = product == rows + OWN ? fmax(sum, (double)part) : sum + part;
        }
        for (int step = 16; step; step /= 2) {
            double other = __shfl_down_sync(~0u, sum, step);
            sum = product == rows + OWN ? fmax(sum, other) : sum + other;
        }
        if (lane == 0) products[product] = sum;
    }
    __syncthreads();
    if (threadIdx.x == 0) judge(state, table, coefficients, products, *loss, most);
    __syncthreads();
    if (warp || state->status != ACCEPTED) return;
    if (state->count) recur(state, table, coefficients, most);
    if (lane) return;
    // Without a way down, the pairs are dropped: steepest descent is one.
    if (!state->count || !(state->slope < 0)) {
        if (state->largest > TINY) descend(state, coefficients, 2 * most + 1);
        else state->ends = NO_GRADIENT;
    }
}

// Moves to the trial, keeps the pair, and lays the direction out, as far as was decided.
extern "C" __global__ void advance(
    const State* state, const double* coefficients, float* pairs, float* start, float* last_gradient,
    const float* image, const float* gradient, float* direction, long long n, int most) {
    __shared__ float shares[2 * MOST_PAIRS + 1];
    for (int j = threadIdx.x; j <= 2 * most; j += THREADS) shares[j] = (float)coefficients[j];
    __syncthreads();
    long long i = (long long)blockIdx.x * THREADS + threadIdx.x;
    if (i >= n) return;
    int keeps = state->keeps;
    float g = last_gradient[i];
    if (state->moves) {
        g = gradient[i];
        if (keeps >= 0) {
            pairs[keeps * n + i] = image[i] - start[i];
            pairs[(keeps + most) * n + i] = g - last_gradient[i];
        }
        start[i] = image[i];
        last_gradient[i] = g;
    }
    if (!state->turns) return;
    float sum = shares[2 * most] * g;
    for (int age = state->count - 1; age >= 0; --age) {
        int s = (state->newest - age + most) % most;
        sum += shares[s] * pairs[s * n + i] + shares[s + most] * pairs[(s + most) * n + i];
    }
    direction[i] = sum;
}
