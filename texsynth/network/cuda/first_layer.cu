// conv1_1, from the image and back to it: three channels are too few for tiles to pay.

#define CHANNELS 64
#define TAPS 27           // 3 channels, 3 rows, 3 columns
#define PADDED_TAPS 28    // a multiple of four floats

// On the way back, a block takes 64x4 pixels; its threads share the channels out among eight groups.
#define ACROSS 16         // threads along a row
#define DOWN 4            // rows
#define RUN 4             // pixels a thread
#define GROUP (ACROSS * DOWN)
#define GROUPS 8
#define SPAN (ACROSS * RUN + 2)
#define HALO ((DOWN + 2) * SPAN)

// The pixels whose distance from 0..255 is penalised: those a loss reads.
struct Range {
    int top, left, height, width;
    float gradient;       // 2 weight / number of values
};

// (3, H, W), RGB 0..255, to activations (64, H, W). W is (64, 28): taps in the order of the image.
extern "C" __global__ void first_forward(
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
                    row < 0 || column < 0 ? 0.f : image[c * pixels + row * width + column] - mean[c];
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

// The gradient of conv1_1's activations to that of the image, with that of the range penalty, whose
// sum of squared distances is left for each block.
extern "C" __global__ void first_backward(
    Gradient own, const float* activation, const float* W, const float* image, float* gradient,
    int height, int width, int wrap_rows, int wrap_columns, Range range, float* excess) {
    __shared__ float kernels[CHANNELS * PADDED_TAPS];
    __shared__ float tiles[GROUPS][HALO];
    __shared__ float shares[GROUPS / 2][3 * RUN][GROUP];
    int thread = threadIdx.x % GROUP, group = threadIdx.x / GROUP, across = thread % ACROSS, down = thread / ACROSS;
    for (int i = threadIdx.x; i < CHANNELS * PADDED_TAPS; i += GROUP * GROUPS) kernels[i] = W[i];
    int top = blockIdx.y * DOWN, left = blockIdx.x * ACROSS * RUN;
    float sum[3][RUN] = {};
    float* tile = tiles[group];
    for (int channel = group; channel < CHANNELS; channel += GROUPS) {
        __syncthreads();
        #pragma unroll
        for (int k = 0; k < (HALO + GROUP - 1) / GROUP; ++k) {
            int i = k * GROUP + thread;
            if (i >= HALO) continue;
            int y = placed(top + i / SPAN - 1, height, wrap_rows), x = placed(left + i % SPAN - 1, width, wrap_columns);
            bool is_lit = y >= 0 && x >= 0 && activation[((long long)channel * height + y) * width + x] > 0.f;
            tile[i] = is_lit ? gradient_at(own, channel, y, x) : 0.f;
        }
        __syncthreads();
        const float* k = kernels + channel * PADDED_TAPS;
        #pragma unroll
        for (int i = 0; i < 3; ++i) {
            float line[RUN + 2];
            #pragma unroll
            for (int j = 0; j < RUN + 2; ++j) line[j] = tile[(down + i) * SPAN + across * RUN + j];
            #pragma unroll
            for (int colour = 0; colour < 3; ++colour)
                #pragma unroll
                for (int j = 0; j < 3; ++j) {
                    float tap = k[colour * 9 + (2 - i) * 3 + 2 - j];
                    #pragma unroll
                    for (int p = 0; p < RUN; ++p) sum[colour][p] += tap * line[p + j];
                }
        }
    }
    // The groups' sums, halved until the first has all.
    #pragma unroll
    for (int half = GROUPS / 2; half; half /= 2) {
        __syncthreads();
        if (group >= half && group < 2 * half) {
            #pragma unroll
            for (int i = 0; i < 3 * RUN; ++i) shares[group - half][i][thread] = sum[i / RUN][i % RUN];
        }
        __syncthreads();
        if (group < half) {
            #pragma unroll
            for (int i = 0; i < 3 * RUN; ++i) sum[i / RUN][i % RUN] += shares[group][i][thread];
        }
    }
    __shared__ float sums[GROUP];
    float far = 0.f;
    int y = top + down;
    if (group == 0) {
        #pragma unroll
        for (int colour = 0; colour < 3; ++colour)
            #pragma unroll
            for (int p = 0; p < RUN; ++p) {
                int x = left + across * RUN + p;
                if (y >= height || x >= width) continue;
                long long at = ((long long)colour * height + y) * width + x;
                int row = y - range.top, column = x - range.left;
                float value = sum[colour][p];
                if (row >= 0 && column >= 0 && row < range.height && column < range.width) {
                    float beyond = image[at] - fminf(fmaxf(image[at], 0.f), 255.f);
                    far += beyond * beyond;
                    value += range.gradient * beyond;
                }
                gradient[at] = value;
            }
        sums[thread] = far;
    }
    for (int step = GROUP / 2; step; step /= 2) {
        __syncthreads();
        if (threadIdx.x < step) sums[threadIdx.x] += sums[threadIdx.x + step];
    }
    if (threadIdx.x == 0) excess[blockIdx.y * gridDim.x + blockIdx.x] = sums[0];
}
