/* SPDX-License-Identifier: BSD-3-Clause */
/* wire: numbers in packets, which are in network order and lie anywhere. */
#pragma once

#include <stdint.h>

static inline uint32_t hm_be16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t hm_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void hm_put16(uint8_t *p, uint32_t n)
{
	p[0] = (uint8_t)(n >> 8);
	p[1] = (uint8_t)n;
}

static inline void hm_put32(uint8_t *p, uint32_t n)
{
	hm_put16(p, n >> 16);
	hm_put16(p + 2, n);
}
