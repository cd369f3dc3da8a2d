// The Gram loss of a layer: from sums to their relative error and its gradient.

#define THREADS 256

// A layer's Gram matrix, its target and what its error counts.
struct Layer {
    const float* sums;       // (C, C), over positions
    const float* target;     // (C, C), the exemplar's mean
    float* gradient;         // (C, C): what the activations are multiplied with, on the way back
    int size;                // C * C
    float share;             // 1 / positions
    float weight;            // w / ||target||^2
    float factor;            // 4 w / (||target||^2 positions): F enters the sums twice, the error is squared
};

__device__ void add_up(float value, float* to) {
    __shared__ float sums[THREADS];
    sums[threadIdx.x] = value;
    for (int step = THREADS / 2; step; step /= 2) {
        __syncthreads();
        if (threadIdx.x < step) sums[threadIdx.x] += sums[threadIdx.x + step];
    }
    if (threadIdx.x == 0) *to = sums[0];
}

// The error is left in parts, one for each block.
extern "C" __global__ void gram_error(Layer layer, float* parts) {
    float error = 0.f;
    for (int i = blockIdx.x * THREADS + threadIdx.x; i < layer.size; i += gridDim.x * THREADS) {
        float difference = layer.sums[i] * layer.share - layer.target[i];
        layer.gradient[i] = layer.factor * difference;
        error += difference * difference;
    }
    add_up(layer.weight * error, parts + blockIdx.x);
}

// The loss: the parts of the Gram errors, and those of the range penalty times its weight.
extern "C" __global__ void add_losses(const float* parts, int count, const float* excess, int excess_count, float weight, float* loss) {
    float sum = 0.f;
    for (int i = threadIdx.x; i < count; i += THREADS) sum += parts[i];
    for (int i = threadIdx.x; i < excess_count; i += THREADS) sum += weight * excess[i];
    add_up(sum, loss);
}
