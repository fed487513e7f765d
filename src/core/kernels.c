/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/kernels.h"

#include <stddef.h>

extern const struct hm_kernels hm_kernels_sse42, hm_kernels_avx2, hm_kernels_avx512;

struct hm_kernels hm_kernels;
static const struct hm_kernels *runnable[4];

const struct hm_kernels *const *hm_kernels_all(void)
{
	return runnable;
}

static void __attribute__((constructor)) choose_kernels(void)
{
	unsigned n = 0;

	__builtin_cpu_init();
	runnable[n++] = &hm_kernels_sse42; // DPDK itself needs it
	if (__builtin_cpu_supports("avx2"))
		runnable[n++] = &hm_kernels_avx2;
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
		runnable[n++] = &hm_kernels_avx512;
	hm_kernels = *runnable[n - 1];
}
