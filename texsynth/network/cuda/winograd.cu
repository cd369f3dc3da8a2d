// Winograd's F(4x4, 3x3) about the matrix products: Lavin and Gray, "Fast Algorithms for Convolutional
// Neural Networks" (2016), section 4.3. An image of C channels is cut into tiles of 4x4 results; each
// needs 6x6 values, which are transformed to 36 numbers. For each of the 36, one product over the
// channels takes the place of the convolution.
//
// Activations are (C, H, W); transformed tiles are (36, C, pitch), tiles along the last axis, so that
// the threads of a warp, which take neighbouring tiles, read and write neighbouring memory.

#define TILE 4
#define PATCH 6

// Loops over a tile are unrolled, so that it stays in registers.

// Six values to six: the rows of B^T.
__device__ __forceinline__ void input_line(const float* d, float* t) {
    t[0] = 4.f * d[0] - 5.f * d[2] + d[4];
    t[1] = -4.f * (d[1] + d[2]) + d[3] + d[4];
    t[2] = 4.f * (d[1] - d[2]) - d[3] + d[4];
    t[3] = 2.f * (d[3] - d[1]) - d[2] + d[4];
    t[4] = 2.f * (d[1] - d[3]) - d[2] + d[4];
    t[5] = 4.f * d[1] - 5.f * d[3] + d[5];
}

// Six values to four: the rows of A^T.
__device__ __forceinline__ void output_line(const float* m, float* y) {
    float a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];
    y[0] = m[0] + a + c;
    y[1] = b + 2.f * d;
    y[2] = a + 4.f * c;
    y[3] = b + 8.f * d + m[5];
}

__device__ __forceinline__ void store_patch(const float patch[PATCH][PATCH], float* to, long long step) {
    float half[PATCH][PATCH];
    #pragma unroll
    for (int x = 0; x < PATCH; ++x) {
        float column[PATCH], line[PATCH];
        #pragma unroll
        for (int y = 0; y < PATCH; ++y) column[y] = patch[y][x];
        input_line(column, line);
        #pragma unroll
        for (int y = 0; y < PATCH; ++y) half[y][x] = line[y];
    }
    #pragma unroll
    for (int y = 0; y < PATCH; ++y) {
        float line[PATCH];
        input_line(half[y], line);
        #pragma unroll
        for (int x = 0; x < PATCH; ++x) to[(y * PATCH + x) * step] = line[x];
    }
}

__device__ __forceinline__ void load_tile(const float* from, long long step, float tile[TILE][TILE]) {
    float half[TILE][PATCH];
    #pragma unroll
    for (int x = 0; x < PATCH; ++x) {
        float column[PATCH], line[TILE];
        #pragma unroll
        for (int y = 0; y < PATCH; ++y) column[y] = from[(y * PATCH + x) * step];
        output_line(column, line);
        #pragma unroll
        for (int y = 0; y < TILE; ++y) half[y][x] = line[y];
    }
    #pragma unroll
    for (int y = 0; y < TILE; ++y) output_line(half[y], tile[y]);
}

// Kernels (O, C, 3, 3) to (36, O, C), or turned by 180 degrees to (36, C, O), for the way back.
extern "C" __global__ __launch_bounds__(128) void transform_kernels(const float* W, float* U, int outputs, int inputs, int turned) {
    int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= outputs * inputs) return;
    int o = at / inputs, c = at % inputs;
    double g[3][3], half[PATCH][3];
    #pragma unroll
    for (int y = 0; y < 3; ++y)
        #pragma unroll
        for (int x = 0; x < 3; ++x) g[y][x] = W[at * 9 + (turned ? 8 - (y * 3 + x) : y * 3 + x)];
    const double G[PATCH][3] = {{1. / 4, 0, 0},          {-1. / 6, -1. / 6, -1. / 6}, {-1. / 6, 1. / 6, -1. / 6},
                                {1. / 24, 1. / 12, 1. / 6}, {1. / 24, -1. / 12, 1. / 6}, {0, 0, 1}};
    #pragma unroll
    for (int y = 0; y < PATCH; ++y)
        #pragma unroll
        for (int x = 0; x < 3; ++x) half[y][x] = G[y][0] * g[0][x] + G[y][1] * g[1][x] + G[y][2] * g[2][x];
    #pragma unroll
    for (int y = 0; y < PATCH; ++y)
        #pragma unroll
        for (int x = 0; x < PATCH; ++x) {
            double u = half[y][0] * G[x][0] + half[y][1] * G[x][1] + half[y][2] * G[x][2];
            long long place = turned ? (long long)c * outputs + o : (long long)o * inputs + c;
            U[(long long)(y * PATCH + x) * outputs * inputs + place] = (float)u;
        }
}

// Activations (C, H, W) to transformed tiles (36, C, pitch). One thread a tile, blockIdx.y a channel.
extern "C" __global__ __launch_bounds__(128) void transform_input(const float* x, float* V, Grid grid) {
    int place = blockIdx.x * blockDim.x + threadIdx.x, channel = blockIdx.y, channels = gridDim.y;
    if (place >= grid.count) return;
    int tile = grid.first + place;
    int top = tile / grid.columns * TILE - 1, left = tile % grid.columns * TILE - 1;
    x += (long long)channel * grid.height * grid.width;
    float patch[PATCH][PATCH];
    #pragma unroll
    for (int i = 0; i < PATCH; ++i) {
        int y = placed(top + i, grid.height, grid.wrap_rows);
        #pragma unroll
        for (int j = 0; j < PATCH; ++j) {
            int at = placed(left + j, grid.width, grid.wrap_columns);
            patch[i][j] = y < 0 || at < 0 ? 0.f : x[(long long)y * grid.width + at];
        }
    }
    store_patch(patch, V + (long long)channel * grid.pitch + place, (long long)channels * grid.pitch);
}

// Products (36, O, pitch) to activations: bias, ReLU, pooling, in one way. Of each 4x4 tile, 16 bits say
// through which values a gradient goes back: `lit`, to the activation; `chosen`, to the pooled one,
// where maxima differ.
extern "C" __global__ __launch_bounds__(128) void transform_output(
    const float* M, const float* bias, Grid grid, float* activation, float* pooled, int takes_largest,
    unsigned short* lit, unsigned short* chosen, Copy inner, Copy inner_pooled) {
    int place = blockIdx.x * blockDim.x + threadIdx.x, channel = blockIdx.y, channels = gridDim.y;
    if (place >= grid.count) return;
    int tile = grid.first + place;
    float y[TILE][TILE];
    load_tile(M + (long long)channel * grid.pitch + place, (long long)channels * grid.pitch, y);
    int top = tile / grid.columns * TILE, left = tile % grid.columns * TILE;
    float b = bias[channel];
    unsigned bits = 0;
    #pragma unroll
    for (int i = 0; i < TILE; ++i)
        #pragma unroll
        for (int j = 0; j < TILE; ++j) {
            y[i][j] = fmaxf(y[i][j] + b, 0.f);
            if (y[i][j] > 0.f && top + i < grid.height && left + j < grid.width) bits |= 1u << (i * TILE + j);
        }
    long long word = (long long)channel * grid.rows * grid.columns + tile;
    lit[word] = (unsigned short)bits;
    if (activation || inner.to) {
        float* to = activation ? activation + (long long)channel * grid.height * grid.width : nullptr;
        #pragma unroll
        for (int i = 0; i < TILE; ++i)
            #pragma unroll
            for (int j = 0; j < TILE; ++j)
                if (top + i < grid.height && left + j < grid.width) {
                    if (to) to[(long long)(top + i) * grid.width + left + j] = y[i][j];
                    copy_inner(inner, channel, top + i, left + j, y[i][j]);
                }
    }
    if (!pooled) return;
    int height = grid.height / 2, width = grid.width / 2;
    unsigned largest = 0;
    pooled += (long long)channel * height * width;
    #pragma unroll
    for (int i = 0; i < TILE; i += 2)
        #pragma unroll
        for (int j = 0; j < TILE; j += 2) {
            float value;
            if (takes_largest) {
                value = y[i][j];
                int at = i * TILE + j;
                if (y[i][j + 1] > value) { value = y[i][j + 1]; at = i * TILE + j + 1; }
                if (y[i + 1][j] > value) { value = y[i + 1][j]; at = (i + 1) * TILE + j; }
                if (y[i + 1][j + 1] > value) { value = y[i + 1][j + 1]; at = (i + 1) * TILE + j + 1; }
                if (bits >> at & 1) largest |= 1u << at;
            } else {
                value = .25f * (y[i][j] + y[i][j + 1] + y[i + 1][j] + y[i + 1][j + 1]);
            }
            int row = (top + i) / 2, column = (left + j) / 2;
            if (row < height && column < width) {
                pooled[(long long)row * width + column] = value;
                copy_inner(inner_pooled, channel, row, column, value);
            }
        }
    if (takes_largest) chosen[word] = (unsigned short)largest;
}

// Six bits of a row of a patch: one of the tile on the left, four of its own, one of the tile on the right.
__device__ __forceinline__ unsigned long long row_bits(
    const unsigned short* bits, const Grid& grid, int y, int left, int before, int after) {
    if (y < 0) return 0;
    bits += y / TILE * grid.columns;
    int shift = y % TILE * TILE;
    unsigned own = bits[(left + 1) / TILE] >> shift & 15u, line = own << 1;
    if (before >= 0) line |= bits[before / TILE] >> (shift + before % TILE) & 1u;
    // Where the tile hangs over, the other edge follows at once.
    if (after >= 0) line |= (bits[after / TILE] >> (shift + after % TILE) & 1u) << min(grid.width - left, PATCH - 1);
    return line;
}

// The 36 bits of a patch, of which none is set beyond the edges of the layer.
__device__ __forceinline__ unsigned long long patch_bits(
    const unsigned short* bits, const Grid& grid, int channel, int top, int left) {
    bits += (long long)channel * grid.rows * grid.columns;
    int before = placed(left, grid.width, grid.wrap_columns);
    int after = placed(min(left + PATCH - 1, grid.width), grid.width, grid.wrap_columns);
    unsigned long long found = row_bits(bits, grid, placed(top, grid.height, grid.wrap_rows), left, before, after);
    #pragma unroll
    for (int i = 1; i <= TILE; ++i)
        if (top + i < grid.height) found |= row_bits(bits, grid, top + i, left, before, after) << (i * PATCH);
    int below = min(top + PATCH - 1, grid.height);
    return found | row_bits(bits, grid, placed(below, grid.height, grid.wrap_rows), left, before, after) << ((below - top) * PATCH);
}

__device__ __forceinline__ bool is_set(unsigned long long bits, int i, int j) {
    return bits >> (i * PATCH + j) & 1u;
}

// Gradients for a convolution's result to transformed tiles (36, O, pitch), on the way back: through
// pooling and ReLU. A patch of 6x6 has 4x4 pooled values, which are read once.
extern "C" __global__ __launch_bounds__(128) void transform_gradient(
    Gradient own, Gradient pooled, float share, const unsigned short* lit, const unsigned short* chosen,
    float* V, Grid grid) {
    int place = blockIdx.x * blockDim.x + threadIdx.x, channel = blockIdx.y, channels = gridDim.y;
    if (place >= grid.count) return;
    int tile = grid.first + place;
    int top = tile / grid.columns * TILE - 1, left = tile % grid.columns * TILE - 1;
    float patch[PATCH][PATCH] = {};
    if (own.dense || own.inner) {
        unsigned long long bits = patch_bits(lit, grid, channel, top, left);
        const float* plane = own.dense ? own.dense + (long long)channel * grid.height * grid.width : nullptr;
        #pragma unroll
        for (int i = 0; i < PATCH; ++i) {
            int y = placed(top + i, grid.height, grid.wrap_rows);
            #pragma unroll
            for (int j = 0; j < PATCH; ++j)
                if (is_set(bits, i, j)) {  // then it lies within the layer
                    int x = placed(left + j, grid.width, grid.wrap_columns);
                    patch[i][j] = own.inner ? gradient_at(own, channel, y, x) : plane[y * grid.width + x];
                }
        }
    }
    if (pooled.dense || pooled.inner) {
        unsigned long long bits = patch_bits(chosen, grid, channel, top, left);
        float values[TILE][TILE];
        #pragma unroll
        for (int i = 0; i < TILE; ++i)
            #pragma unroll
            for (int j = 0; j < TILE; ++j) {
                // Rows 2 i - 1 and 2 i of the patch are pooled together.
                int y = placed(top + max(2 * i - 1, 0), grid.height, grid.wrap_rows);
                int x = placed(left + max(2 * j - 1, 0), grid.width, grid.wrap_columns);
                values[i][j] = y < 0 || x < 0 ? 0.f : share * gradient_at(pooled, channel, y / 2, x / 2);
            }
        #pragma unroll
        for (int i = 0; i < PATCH; ++i)
            #pragma unroll
            for (int j = 0; j < PATCH; ++j)
                if (is_set(bits, i, j)) patch[i][j] += values[(i + 1) / 2][(j + 1) / 2];
    }
    store_patch(patch, V + (long long)channel * grid.pitch + place, (long long)channels * grid.pitch);
}

// Products (36, C, pitch) to the gradient for a convolution's input, (C, H, W).
extern "C" __global__ __launch_bounds__(128) void transform_input_gradient(const float* M, float* gradient, Grid grid) {
    int place = blockIdx.x * blockDim.x + threadIdx.x, channel = blockIdx.y, channels = gridDim.y;
    if (place >= grid.count) return;
    int tile = grid.first + place;
    float y[TILE][TILE];
    load_tile(M + (long long)channel * grid.pitch + place, (long long)channels * grid.pitch, y);
    int top = tile / grid.columns * TILE, left = tile % grid.columns * TILE;
    gradient += (long long)channel * grid.height * grid.width;
    #pragma unroll
    for (int i = 0; i < TILE; ++i)
        #pragma unroll
        for (int j = 0; j < TILE; ++j)
            if (top + i < grid.height && left + j < grid.width)
                gradient[(long long)(top + i) * grid.width + left + j] = y[i][j];
}
