// Stands in for CUDA's driver, libcuda.so.1: it prints what it is asked to load and to start.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

int cuModuleLoadData(void **module, const void *image) {
    printf("load %.7s\n", (const char *)image);
    *module = (void *)0x12;
    return 0;
}

int cuModuleGetFunction(void **function, void *module, const char *name) {
    printf("find %s in %p\n", name, module);
    *function = (void *)0x34;
    return 0;
}

// The kernel that the test starts has two pointers and two integers.
int cuLaunchKernel(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                   unsigned block_y, unsigned block_z, unsigned shared_bytes, void *stream, void **values,
                   void **extra) {
    printf("start %p with %u %u %u blocks of %u %u %u threads, %u bytes, stream %p: %p %p %d %d\n", function,
           grid_x, grid_y, grid_z, block_x, block_y, block_z, shared_bytes, stream, *(void **)values[0],
           *(void **)values[1], *(int *)values[2], *(int *)values[3]);
    return grid_x == 9 ? 701 : 0;  // too many resources
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
