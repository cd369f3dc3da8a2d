// conv1_1, from the image and back to it: three channels are too few for tiles to pay.

#define CHANNELS 64
#define TAPS 27           // 3 channels, 3 rows, 3 columns
#define PADDED_TAPS 28    // a multiple of four floats
#define THREADS 256

// The pixels whose distance from 0..255 is penalised: those a loss reads.
struct Range {
    int top, left, height, width;
    float gradient;       // 2 weight / number of values
};

// (3, H, W), RGB 0..255, to activations (64, H, W). W is (64, 28): taps in the order of the image.
extern "C" __global__ __launch_bounds__(THREADS) void first_forward(
    const float* image, const float* mean, const float* W, const float* bias, float* activation,
    int height, int width, int wrap_rows, int wrap_columns, Copy inner) {
    __shared__ float4 kernels[CHANNELS * PADDED_TAPS / 4];
    for (int i = threadIdx.x; i < CHANNELS * PADDED_TAPS / 4; i += blockDim.x) kernels[i] = ((const float4*)W)[i];
    __syncthreads();
    int at = blockIdx.x * blockDim.x + threadIdx.x, pixels = height * width;
    if (at >= pixels) return;
    int y = at / width, x = at % width;
    float taps[PADDED_TAPS];
    #pragma unroll
    for (int c = 0; c < 3; ++c)
        #pragma unroll
        for (int i = 0; i < 3; ++i)
            #pragma unroll
            for (int j = 0; j < 3; ++j) {
                int row = placed(y + i - 1, height, wrap_rows), column = placed(x + j - 1, width, wrap_columns);
                taps[c * 9 + i * 3 + j] =
                    row < 0 || column < 0 ? 0.f : image[(long long)c * pixels + row * width + column] - mean[c];
            }
    taps[TAPS] = 0.f;
    for (int o = 0; o < CHANNELS; ++o) {
        float sum = bias[o];
        #pragma unroll
        for (int i = 0; i < PADDED_TAPS / 4; ++i) {
            float4 k = kernels[o * (PADDED_TAPS / 4) + i];
            sum += k.x * taps[4 * i] + k.y * taps[4 * i + 1] + k.z * taps[4 * i + 2] + k.w * taps[4 * i + 3];
        }
        sum = fmaxf(sum, 0.f);
        activation[(long long)o * pixels + at] = sum;
        copy_inner(inner, o, y, x, sum);
    }
}

// The gradient of conv1_1's activations, through its ReLU, (64, H, W).
extern "C" __global__ __launch_bounds__(THREADS) void unlit(
    Gradient own, const float* activation, float* result, int height, int width) {
    int pixel = blockIdx.x * THREADS + threadIdx.x, pixels = height * width, channel = blockIdx.y;
    if (pixel >= pixels) return;
    long long at = (long long)channel * pixels + pixel;
    result[at] = activation[at] > 0.f ? gradient_at(own, channel, pixel / width, pixel % width) : 0.f;
}

// What each tap of the kernels gives, (28, H, W), added up where it came from: the gradient of the image,
// with that of the range penalty, whose sum of squared distances is left for each block.
extern "C" __global__ __launch_bounds__(THREADS) void fold_taps(
    const float* taps, const float* image, float* gradient, int height, int width, int wrap_rows,
    int wrap_columns, Range range, float* excess) {
    __shared__ float sums[THREADS];
    int at = blockIdx.x * THREADS + threadIdx.x, pixels = height * width;
    int y = at / width, x = at % width;
    float far = 0.f;
    if (at < pixels) {
        #pragma unroll
        for (int colour = 0; colour < 3; ++colour) {
            float value = 0.f;
            #pragma unroll
            for (int i = 0; i < 3; ++i)
                #pragma unroll
                for (int j = 0; j < 3; ++j) {
                    int row = placed(y + 1 - i, height, wrap_rows), column = placed(x + 1 - j, width, wrap_columns);
                    if (row >= 0 && column >= 0)
                        value += taps[(long long)(colour * 9 + i * 3 + j) * pixels + row * width + column];
                }
            int down = y - range.top, right = x - range.left;
            long long place = (long long)colour * pixels + at;
            if (down >= 0 && right >= 0 && down < range.height && right < range.width) {
                float beyond = image[place] - fminf(fmaxf(image[place], 0.f), 255.f);
                far += beyond * beyond;
                value += range.gradient * beyond;
            }
            gradient[place] = value;
        }
    }
    sums[threadIdx.x] = far;
    for (int step = THREADS / 2; step; step /= 2) {
        __syncthreads();
        if (threadIdx.x < step) sums[threadIdx.x] += sums[threadIdx.x + step];
    }
    if (threadIdx.x == 0) excess[blockIdx.x] = sums[0];
}
