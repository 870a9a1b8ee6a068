// A convolution with its bias, the activation behind it, and the pooling of 2 x 2 behind that, forward
// and backward, for a stack of networks.
//
// Each block of threads computes one image of one network. It copies the image and the weights into
// shared memory, where each value is used many times. The plain layers copy each pixel KERNEL^2 times
// into a matrix in the card's memory instead, and read and write all maps once for each layer.
//
// All arithmetic is float32. Nothing is added in an order that depends on the timing of threads, so
// two runs give the same bits.
//
// The sizes are constants, which the compiler gets as options:
//   N_IN, N_OUT   maps of an image before and after the convolution
//   SIDE          height and width of the maps before it
//   KERNEL        height and width of the kernel; the stride is 1
//   PADDING       zeros on each side
//   ACTIVATION    0 none, 1 ReLU, 2 tanh, 3 sigmoid, 4 ELU
//   POOLING       0 none, 1 average, 2 maximum, both over squares of 2 x 2
//   OUT_EACH      maps after the convolution that one thread computes; it divides N_OUT
//   IN_EACH       the same for the gradient of the maps before it; it divides N_IN
//   SLICES        parts of an image's rows whose weight gradients are added up at the end

#define PADDED (SIDE + 2 * PADDING)
#define OUT_SIDE (PADDED - KERNEL + 1)
// A thread computes squares of so many pixels on a side, which share most of what they read.
#define SQUARE (OUT_SIDE % 2 == 0 ? 2 : 1)
#define N_SQUARES (OUT_SIDE / SQUARE)
#define POOLED_SIDE (POOLING ? OUT_SIDE / 2 : OUT_SIDE)
#define IN_SQUARE (SIDE % 2 == 0 ? 2 : 1)
#define N_IN_SQUARES (SIDE / IN_SQUARE)
#define SPREAD (SIDE + KERNEL - 1)  // side of a gradient with the zeros around it
#define N_WEIGHTS (KERNEL * KERNEL)
#define WEIGHTS_4 ((N_WEIGHTS + 3) / 4)  // float4 that hold the weights of one connection
#define WEIGHT_ROWS (N_IN * KERNEL)
// Where each thread reads another row of an image, the rows are an odd number of floats apart. With 32, all
// rows would begin in the same bank of shared memory, which gives one value at a time.
#define ODD_STEP (PADDED | 1)

static __device__ float activate(float z) {
    if (ACTIVATION == 1) return z < 0.0f ? 0.0f : z;  // a NaN stays one
    if (ACTIVATION == 2) return tanhf(z);
    if (ACTIVATION == 3) return 1.0f / (1.0f + expf(-z));
    if (ACTIVATION == 4) return z > 0.0f ? z : expm1f(z);
    return z;
}

// The gradient before the activation, from its result and the gradient behind it.
static __device__ float differentiate(float result, float gradient) {
    if (ACTIVATION == 1) return result <= 0.0f ? 0.0f : gradient;
    if (ACTIVATION == 2) return gradient * (1.0f - result * result);
    if (ACTIVATION == 3) return gradient * (1.0f - result) * result;
    if (ACTIVATION == 4) return result <= 0.0f ? gradient * (result + 1.0f) : gradient;
    return gradient;
}

// Copies the maps of an image with zeros around them: N_IN x PADDED rows of PADDED pixels, which are `step`
// floats apart.
static __device__ void copy_image(float* to, const float* X, int step) {
    for (int i = threadIdx.x; i < N_IN * PADDED * PADDED; i += blockDim.x) {
        int map = i / (PADDED * PADDED), y = i / PADDED % PADDED - PADDING;
        int x = i % PADDED - PADDING;
        bool inside = 0 <= y && y < SIDE && 0 <= x && x < SIDE;
        to[i / PADDED * step + i % PADDED] = inside ? X[(map * SIDE + y) * SIDE + x] : 0.0f;
    }
}

// Computes the gradient before the activation at each pixel of an image. `to(map, y, x)` is where it
// is written.
template <class Place>
static __device__ void compute_gradient(const float* A, const float* gradient, Place to) {
    const int step = POOLING ? 2 : 1;
    for (int i = threadIdx.x; i < N_OUT * POOLED_SIDE * POOLED_SIDE; i += blockDim.x) {
        int map = i / (POOLED_SIDE * POOLED_SIDE);
        int y = i / POOLED_SIDE % POOLED_SIDE * step, x = i % POOLED_SIDE * step;
        const float* a = A + (map * OUT_SIDE + y) * OUT_SIDE + x;
        float g = gradient[i];
        if (!POOLING) {
            *to(map, y, x) = differentiate(a[0], g);
            continue;
        }
        float values[4] = {a[0], a[1], a[OUT_SIDE], a[OUT_SIDE + 1]};
        int best = 0;  // of equal values the first one gets the gradient, as in PyTorch
        for (int k = 1; k < 4; k++)
            if (values[k] > values[best] || values[k] != values[k]) best = k;
        for (int k = 0; k < 4; k++) {
            float share = POOLING == 1 ? g / 4 : k == best ? g : 0.0f;
            *to(map, y + k / 2, x + k % 2) = differentiate(values[k], share);
        }
    }
}

// Copies the weights of a network so that those of each connection begin at a float4. `turned`: by half a
// turn, so that the gradient of the maps before the convolution is a convolution, too.
static __device__ void copy_weights(float4* to, const float* weights, bool turned) {
    float* w = (float*)to;
    for (int i = threadIdx.x; i < N_OUT * N_IN * N_WEIGHTS; i += blockDim.x) {
        int place = turned ? N_WEIGHTS - 1 - i % N_WEIGHTS : i % N_WEIGHTS;
        w[i / N_WEIGHTS * 4 * WEIGHTS_4 + place] = weights[i];
    }
}

// Adds to the sums of EACH maps, at a square of WIDTH x WIDTH pixels, the convolution of n_maps maps. The
// maps are `side` wide; `maps` points to the pixel of the first one at which the square begins. The
// weights of one map after the other are `map_step` float4 apart, those of one sum after the other
// `each_step`.
template <int EACH, int WIDTH>
static __device__ void convolve(float (&sums)[EACH][WIDTH * WIDTH], const float* maps, int side, int n_maps,
                                const float4* w4, int map_step, int each_step) {
    const int across = KERNEL + WIDTH - 1;  // pixels on a side that the square needs
#pragma unroll 1
    for (int map = 0; map < n_maps; map++, maps += side * side, w4 += map_step) {
        float patch[across * across];
#pragma unroll
        for (int i = 0; i < across; i++)
#pragma unroll
            for (int j = 0; j < across; j++) patch[i * across + j] = maps[i * side + j];
#pragma unroll
        for (int e = 0; e < EACH; e++) {
            float own[4 * WEIGHTS_4];
#pragma unroll
            for (int i = 0; i < WEIGHTS_4; i++) {
                float4 four = w4[e * each_step + i];
                own[4 * i] = four.x, own[4 * i + 1] = four.y;
                own[4 * i + 2] = four.z, own[4 * i + 3] = four.w;
            }
#pragma unroll
            for (int i = 0; i < KERNEL; i++)
#pragma unroll
                for (int j = 0; j < KERNEL; j++)
#pragma unroll
                    for (int k = 0; k < WIDTH * WIDTH; k++)
                        sums[e][k] += own[i * KERNEL + j] * patch[(i + k / WIDTH) * across + j + k % WIDTH];
        }
    }
}

// X (images, N_IN, SIDE, SIDE), weights (networks, N_OUT, N_IN, KERNEL, KERNEL), bias
// (networks, N_OUT); writes A (images, N_OUT, OUT_SIDE, OUT_SIDE) behind the activation and, with
// pooling, pooled (images, N_OUT, POOLED_SIDE, POOLED_SIDE). A block for each image; a thread for each
// square of each OUT_EACH maps. `n` is the number of images of a network; the steps are the distances
// from one network to the next in the memory, in numbers.
extern "C" __global__ void forward(const float* X, const float* weights, const float* bias, float* A,
                                   float* pooled, int n, int weight_step, int bias_step) {
    __shared__ float image[N_IN * PADDED * PADDED];
    __shared__ float4 w4[N_OUT * N_IN * WEIGHTS_4];
    int network = blockIdx.x / n;
    bias += (size_t)network * bias_step;
    copy_image(image, X + (size_t)blockIdx.x * N_IN * SIDE * SIDE, PADDED);
    weights += (size_t)network * weight_step;
    copy_weights(w4, weights, false);
    __syncthreads();

    if (threadIdx.x >= N_SQUARES * N_SQUARES * (N_OUT / OUT_EACH)) return;
    int square = threadIdx.x % (N_SQUARES * N_SQUARES);
    int first = threadIdx.x / (N_SQUARES * N_SQUARES) * OUT_EACH;
    int y = square / N_SQUARES * SQUARE, x = square % N_SQUARES * SQUARE;
    float sums[OUT_EACH][SQUARE * SQUARE];
#pragma unroll
    for (int o = 0; o < OUT_EACH; o++)
#pragma unroll
        for (int k = 0; k < SQUARE * SQUARE; k++) sums[o][k] = bias[first + o];
    convolve<OUT_EACH, SQUARE>(sums, image + y * PADDED + x, PADDED, N_IN, w4 + first * N_IN * WEIGHTS_4,
                               WEIGHTS_4, N_IN * WEIGHTS_4);
#pragma unroll
    for (int o = 0; o < OUT_EACH; o++) {
        size_t map = (size_t)blockIdx.x * N_OUT + first + o;
#pragma unroll
        for (int k = 0; k < SQUARE * SQUARE; k++) {
            sums[o][k] = activate(sums[o][k]);
            A[(map * OUT_SIDE + y + k / SQUARE) * OUT_SIDE + x + k % SQUARE] = sums[o][k];
        }
        if (POOLING) {
            float result = sums[o][0];
#pragma unroll
            for (int k = 1; k < SQUARE * SQUARE; k++) {
                float value = sums[o][k];
                if (POOLING == 1) result += value;
                else if (value > result || value != value) result = value;
            }
            pooled[map * POOLED_SIDE * POOLED_SIDE + square] = POOLING == 1 ? result / 4 : result;
        }
    }
}

// The gradient of the weights and of the bias, for each image: parts (images, N_OUT,
// N_IN * KERNEL * KERNEL + 1), the bias last. X and A are as in `forward`; gradient is that of pooled or,
// without pooling, of A. A block for each image; a thread for each OUT_EACH maps, row of weights of an
// input map, and slice of the image's rows. One more row of "weights" stands for the bias.
extern "C" __global__ void compute_weight_gradient(const float* X, const float* A, const float* gradient,
                                                   float* parts) {
    __shared__ float image[N_IN * PADDED * ODD_STEP];
    __shared__ float ones[PADDED];
    __shared__ float4 dz4[(OUT_SIDE * OUT_SIDE * N_OUT + 3) / 4];  // (y, x, map)
    __shared__ float sliced[SLICES][N_OUT * (WEIGHT_ROWS + 1) * KERNEL];
    float* dz = (float*)dz4;
    copy_image(image, X + (size_t)blockIdx.x * N_IN * SIDE * SIDE, ODD_STEP);
    for (int i = threadIdx.x; i < PADDED; i += blockDim.x) ones[i] = 1.0f;
    compute_gradient(
        A + (size_t)blockIdx.x * N_OUT * OUT_SIDE * OUT_SIDE,
        gradient + (size_t)blockIdx.x * N_OUT * POOLED_SIDE * POOLED_SIDE,
        [&](int map, int y, int x) { return dz + (y * OUT_SIDE + x) * N_OUT + map; });
    __syncthreads();

    int row = threadIdx.x % (WEIGHT_ROWS + 1);
    int group = threadIdx.x / (WEIGHT_ROWS + 1) % (N_OUT / OUT_EACH);
    int slice = threadIdx.x / ((WEIGHT_ROWS + 1) * (N_OUT / OUT_EACH));
    if (slice < SLICES) {
        float sums[OUT_EACH][KERNEL];
#pragma unroll
        for (int o = 0; o < OUT_EACH; o++)
#pragma unroll
            for (int j = 0; j < KERNEL; j++) sums[o][j] = 0.0f;
#pragma unroll 1
        for (int y = slice; y < OUT_SIDE; y += SLICES) {
            const float* pixels =
                row < WEIGHT_ROWS ? image + (row / KERNEL * PADDED + y + row % KERNEL) * ODD_STEP : ones;
            const float* own = dz + y * OUT_SIDE * N_OUT + group * OUT_EACH;
            float window[OUT_SIDE + KERNEL - 1];
#pragma unroll
            for (int x = 0; x < OUT_SIDE + KERNEL - 1; x++) {
                window[x] = pixels[x];
                if (x < KERNEL - 1) continue;
                float values[OUT_EACH];
#pragma unroll
                for (int o = 0; o < OUT_EACH; o++) values[o] = own[(x - KERNEL + 1) * N_OUT + o];
#pragma unroll
                for (int o = 0; o < OUT_EACH; o++)
#pragma unroll
                    for (int j = 0; j < KERNEL; j++)
                        sums[o][j] += values[o] * window[x - KERNEL + 1 + j];
            }
        }
#pragma unroll
        for (int o = 0; o < OUT_EACH; o++)
#pragma unroll
            for (int j = 0; j < KERNEL; j++)
                sliced[slice][((group * OUT_EACH + o) * (WEIGHT_ROWS + 1) + row) * KERNEL + j] =
                    sums[o][j];
    }
    __syncthreads();
    const int each = WEIGHT_ROWS * KERNEL + 1;  // of a map
    parts += (size_t)blockIdx.x * N_OUT * each;
    for (int i = threadIdx.x; i < N_OUT * each; i += blockDim.x) {
        float sum = 0.0f;
#pragma unroll
        for (int s = 0; s < SLICES; s++) sum += sliced[s][i / each * (WEIGHT_ROWS + 1) * KERNEL + i % each];
        parts[i] = sum;
    }
}

// The gradient of X (images, N_IN, SIDE, SIDE). The arguments are as above. A block for each image; a
// thread for each square of each IN_EACH maps.
extern "C" __global__ void compute_input_gradient(const float* weights, const float* A,
                                                  const float* gradient, float* of_X, int n,
                                                  int weight_step) {
    __shared__ float dz[N_OUT * SPREAD * SPREAD];
    __shared__ float4 w4[N_OUT * N_IN * WEIGHTS_4];
    int network = blockIdx.x / n;
    weights += (size_t)network * weight_step;
    copy_weights(w4, weights, true);
    for (int i = threadIdx.x; i < N_OUT * SPREAD * SPREAD; i += blockDim.x) dz[i] = 0.0f;
    __syncthreads();
    const int around = KERNEL - 1 - PADDING;
    compute_gradient(
        A + (size_t)blockIdx.x * N_OUT * OUT_SIDE * OUT_SIDE,
        gradient + (size_t)blockIdx.x * N_OUT * POOLED_SIDE * POOLED_SIDE,
        [&](int map, int y, int x) { return dz + (map * SPREAD + y + around) * SPREAD + x + around; });
    __syncthreads();

    if (threadIdx.x >= N_IN_SQUARES * N_IN_SQUARES * (N_IN / IN_EACH)) return;
    int square = threadIdx.x % (N_IN_SQUARES * N_IN_SQUARES);
    int first = threadIdx.x / (N_IN_SQUARES * N_IN_SQUARES) * IN_EACH;
    int y = square / N_IN_SQUARES * IN_SQUARE, x = square % N_IN_SQUARES * IN_SQUARE;
    float sums[IN_EACH][IN_SQUARE * IN_SQUARE];
#pragma unroll
    for (int c = 0; c < IN_EACH; c++)
#pragma unroll
        for (int k = 0; k < IN_SQUARE * IN_SQUARE; k++) sums[c][k] = 0.0f;
    convolve<IN_EACH, IN_SQUARE>(sums, dz + y * SPREAD + x, SPREAD, N_OUT, w4 + first * WEIGHTS_4,
                                 N_IN * WEIGHTS_4, WEIGHTS_4);
    of_X += (size_t)blockIdx.x * N_IN * SIDE * SIDE;
#pragma unroll
    for (int c = 0; c < IN_EACH; c++)
#pragma unroll
        for (int k = 0; k < IN_SQUARE * IN_SQUARE; k++)
            of_X[((first + c) * SIDE + y + k / IN_SQUARE) * SIDE + x + k % IN_SQUARE] = sums[c][k];
}
