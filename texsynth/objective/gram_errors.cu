// The Gram losses of a layer: from sums to their errors and the gradient of both.

#define THREADS 256

// A layer's Gram matrix, its target and what its error counts.
struct Layer {
    const float* sums;       // (C, C), over positions
    const float* target;     // (C, C), the exemplar's mean
    const float* scales;     // (C), what channels are multiplied by in the scaled error; or null
    float* gradient;         // (C, C): what the activations are multiplied with, on the way back
    int channels;            // C
    float share;             // 1 / positions
    float weight;            // of the squared error: w / ||target||^2
    float scaled;            // of the squared scaled error: w / C
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

// Both errors are left in parts, one for each block.
extern "C" __global__ void gram_error(Layer layer, float* parts, float* scaled_parts) {
    float error = 0.f, scaled_error = 0.f;
    int size = layer.channels * layer.channels;
    for (int i = blockIdx.x * THREADS + threadIdx.x; i < size; i += gridDim.x * THREADS) {
        float difference = layer.sums[i] * layer.share - layer.target[i], square = 0.f;
        if (layer.scales) {
            float scale = layer.scales[i / layer.channels] * layer.scales[i % layer.channels];
            square = scale * scale;
        }
        // Activations enter the sums twice, and the error is squared.
        layer.gradient[i] = 4.f * layer.share * (layer.weight + layer.scaled * square) * difference;
        error += difference * difference;
        scaled_error += square * difference * difference;
    }
    add_up(layer.weight * error, parts + blockIdx.x);
    __syncthreads();
    add_up(layer.scaled * scaled_error, scaled_parts + blockIdx.x);
}

// The loss: the parts of the Gram errors, and those of the range penalty times its weight.
extern "C" __global__ void add_losses(const float* parts, int count, const float* excess, int excess_count, float weight, float* loss) {
    float sum = 0.f;
    for (int i = threadIdx.x; i < count; i += THREADS) sum += parts[i];
    for (int i = threadIdx.x; i < excess_count; i += THREADS) sum += weight * excess[i];
    add_up(sum, loss);
}
