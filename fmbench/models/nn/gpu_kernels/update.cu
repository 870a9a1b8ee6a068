// One step of the optimizer of every network in a stack, in one pass over the memory.
//
// The networks may have different optimizers. PyTorch needs about ten kernels for each of them.
//
// The decay rates are constants, which the compiler gets as options: ADAM_BETA1, ADAM_BETA2,
// ADAMAX_BETA1, ADAMAX_BETA2, and RHO for RMSprop.

struct Settings {
    float optimizer;  // 0 SGD, 1 Adam, 2 Adamax, 3 RMSprop
    float learning_rate, momentum, epsilon;
};

// Updates the weights by their gradient. `first` and `second` are what the optimizer remembers of each
// weight. `powers` holds the decay rates of Adam and of Adamax to the power of the number of steps, this
// one included: ADAM_BETA1, ADAM_BETA2, ADAMAX_BETA1. The first `n_each` weights have the first settings,
// and so on. A thread for each of the n weights.
extern "C" __global__ void update(float* weights, const float* gradient, float* first, float* second,
                                  const double* powers, const Settings* settings, int n_each, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    Settings own = settings[i / n_each];
    float g = gradient[i];
    if (own.optimizer == 0) {
        if (own.momentum != 0) first[i] = g = own.momentum * first[i] + g;
        weights[i] -= own.learning_rate * g;
    } else if (own.optimizer == 1) {
        float mean = first[i] += (float)(1 - ADAM_BETA1) * (g - first[i]);
        float square = second[i] = (float)ADAM_BETA2 * second[i] + (float)(1 - ADAM_BETA2) * g * g;
        float rate = own.learning_rate / (1 - powers[0]);
        float root = sqrtf(square) / (float)sqrt(1 - powers[1]);
        weights[i] -= rate * mean / (root + own.epsilon);
    } else if (own.optimizer == 2) {
        float mean = first[i] += (float)(1 - ADAMAX_BETA1) * (g - first[i]);
        float kept = (float)ADAMAX_BETA2 * second[i], size = fabsf(g) + own.epsilon;
        float largest = second[i] = size > kept || size != size ? size : kept;
        float rate = own.learning_rate / (1 - powers[2]);
        weights[i] -= rate * mean / largest;
    } else {
        float square = second[i] = (float)RHO * second[i] + (float)(1 - RHO) * g * g;
        weights[i] -= own.learning_rate * g / (sqrtf(square) + own.epsilon);
    }
}
