// What the kernels of all layers share.

// A layer as tiles, of which a launch takes some.
struct Grid {
    int height, width;       // of the layer
    int rows, columns;       // of tiles
    int wrap_rows, wrap_columns;  // whether opposite edges are neighbours
    int first, count;        // tiles of this launch, by rows
    int pitch;               // transformed tiles from one channel to the next
};

// A gradient that arrives at a layer: at all of its positions, and at those that a loss reads.
struct Gradient {
    const float* dense;      // (C, height, width); or null
    const float* inner;      // (C, inner_height, inner_width), from (top, left) on; or null
    int height, width;
    int top, left, inner_height, inner_width;
};

// The positions of a layer that a loss reads, copied as they are made; null if they are read in place.
struct Copy {
    float* to;               // (C, height, width)
    int top, left, height, width;
};

// Where a position next to the edge lies on the other side; -1: nowhere, it counts as zero. Positions
// farther out are asked for where tiles hang over the edge; no result that is kept depends on them.
__device__ __forceinline__ int placed(int at, int size, int wraps) {
    if (at >= 0 && at < size) return at;
    if (!wraps) return -1;
    return at == -1 ? size - 1 : at == size ? 0 : -1;
}

__device__ __forceinline__ void copy_inner(const Copy& copy, int channel, int y, int x, float value) {
    y -= copy.top;
    x -= copy.left;
    if (copy.to && y >= 0 && x >= 0 && y < copy.height && x < copy.width)
        copy.to[((long long)channel * copy.height + y) * copy.width + x] = value;
}

__device__ __forceinline__ float gradient_at(const Gradient& g, int channel, int y, int x) {
    if (y >= g.height || x >= g.width) return 0.f;  // an odd last row or column, which no pooling reads
    float value = g.dense ? g.dense[((long long)channel * g.height + y) * g.width + x] : 0.f;
    if (g.inner) {
        y -= g.top;
        x -= g.left;
        if (y >= 0 && x >= 0 && y < g.inner_height && x < g.inner_width)
            value += g.inner[((long long)channel * g.inner_height + y) * g.inner_width + x];
    }
    return value;
}
