// Runs CUDA kernels on a CPU, to test what they compute: each thread of a block is a coroutine that gives
// way at __syncthreads(). It shows neither the speed nor what a real card does between two barriers;
// but threads that run in another order must give the same bits.
#include <ucontext.h>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>
#include <cstdlib>
#include <cstdio>
struct Index { int x, y, z; };
static Index threadIdx, blockIdx, blockDim, gridDim;
struct float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
#define __global__
#define __device__
#define __shared__ static
#define __align__(n) alignas(n)
#define __forceinline__ inline
static ucontext_t scheduler, *running;
static inline void __syncthreads() { swapcontext(running, &scheduler); }
static std::function<void()> body;
static bool ended;
static void enter() { body(); ended = true; }

// The threads run in rising or falling order between two barriers; the result must be the same.
static void run_blocks(int n_blocks, int n_threads, bool backwards, std::function<void()> kernel) {
    const size_t stack = 256 * 1024;
    std::vector<char> stacks(stack * n_threads);
    std::vector<ucontext_t> contexts(n_threads);
    body = kernel;
    blockDim = {n_threads, 1, 1}, gridDim = {n_blocks, 1, 1};
    for (int b = 0; b < n_blocks; b++) {
        int block = backwards ? n_blocks - 1 - b : b;
        blockIdx = {block, 0, 0};
        std::vector<bool> done(n_threads, false);
        for (int t = 0; t < n_threads; t++) {
            getcontext(&contexts[t]);
            contexts[t].uc_stack.ss_sp = &stacks[stack * t];
            contexts[t].uc_stack.ss_size = stack;
            contexts[t].uc_link = &scheduler;
            makecontext(&contexts[t], enter, 0);
        }
        for (int left = n_threads; left;) {
            for (int k = 0; k < n_threads; k++) {
                int t = backwards ? n_threads - 1 - k : k;
                if (done[t]) continue;
                threadIdx = {t, 0, 0}, ended = false, running = &contexts[t];
                swapcontext(&scheduler, running);
                if (ended) done[t] = true, left--;
            }
        }
    }
}
