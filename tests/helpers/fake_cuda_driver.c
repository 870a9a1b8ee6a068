// Stands in for CUDA's driver, libcuda.so.1: it prints what it is asked to load and to start. As in the
// real one, a thread can do neither before a context is made current in it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

enum { INVALID_CONTEXT = 201, LAUNCH_OUT_OF_RESOURCES = 701 };

static __thread void *current;  // of each thread: a new one has none

int cuDeviceGet(int *device, int ordinal) {
    *device = ordinal;
    return 0;
}

int cuDevicePrimaryCtxRetain(void **context, int device) {
    printf("context of device %d\n", device);
    *context = (void *)0x78;
    return 0;
}

int cuCtxSetCurrent(void *context) {
    current = context;
    return 0;
}

int cuModuleLoadData(void **module, const void *image) {
    if (current != (void *)0x78) return INVALID_CONTEXT;
    printf("load %.7s\n", (const char *)image);
    *module = (void *)0x12;
    return 0;
}

int cuModuleGetFunction(void **function, void *module, const char *name) {
    if (current != (void *)0x78) return INVALID_CONTEXT;
    printf("find %s in %p\n", name, module);
    *function = (void *)0x34;
    return 0;
}

// The kernel that the test starts has two pointers and two integers.
int cuLaunchKernel(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                   unsigned block_y, unsigned block_z, unsigned shared_bytes, void *stream, void **values,
                   void **extra) {
    if (current != (void *)0x78) return INVALID_CONTEXT;
    printf("start %p with %u %u %u blocks of %u %u %u threads, %u bytes, stream %p: %p %p %d %d\n", function,
           grid_x, grid_y, grid_z, block_x, block_y, block_z, shared_bytes, stream, *(void **)values[0],
           *(void **)values[1], *(int *)values[2], *(int *)values[3]);
    return grid_x == 9 ? LAUNCH_OUT_OF_RESOURCES : 0;
}

// How cuda-bindings finds the functions.
int cuGetProcAddress_v2(const char *name, void **function, int version, unsigned long long flags,
                        int *status) {
    *function = dlsym(dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD), name);
    if (status) *status = *function ? 0 : 1;
    return 0;
}

int cuGetProcAddress(const char *name, void **function, int version, unsigned long long flags) {
    return cuGetProcAddress_v2(name, function, version, flags, 0);
}
