/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_dag.h"

#include <errno.h>
#include <string.h>

#include "pmd_dag/sim/libdag.h"
#include "pmd_dag/sim/ring.h"

static struct {
	struct sim_ring ring;
	uint64_t put, released, drops;
	unsigned violations;
	int error, attached, started;
} card;

void fake_dag_reset(uint64_t size)
{
	sim_ring_free(&card.ring);
	memset(&card, 0, sizeof(card));
	if (sim_ring_reserve(&card.ring, size, size) < 0 || sim_ring_seal(&card.ring, size) < 0)
		__builtin_trap();
}

void fake_dag_put(const void *bytes, size_t n)
{
	if (card.put + n - card.released > card.ring.size)
		__builtin_trap();
	memcpy(card.ring.mem + card.put % card.ring.size, bytes, n);
	card.put += n;
}

void fake_dag_unplug(int error)
{
	card.error = error;
}

uint64_t fake_dag_released(void)
{
	return card.released;
}

unsigned fake_dag_violations(void)
{
	return card.violations;
}

void fake_dag_set_drops(uint64_t drops)
{
	card.drops = drops;
}

static int wrong(void)
{
	card.violations++;
	errno = EINVAL;
	return -1;
}

int dag_open(char *name)
{
	if (strcmp(name, "dag0") == 0)
		return 1000;
	errno = ENOENT;
	return -1;
}

int dag_close(int fd)
{
	return fd == 1000 && !card.attached ? 0 : wrong();
}

int dag_rx_get_stream_count(int fd)
{
	return fd == 1000 ? 2 : wrong();
}

// The second stream exists without memory, as cards have it.
dag_ssize_t dag_get_stream_buffer_size64(int fd, int stream)
{
	if (fd != 1000 || stream < 0 || stream > 2 || stream % 2 != 0)
		return -1;
	return stream == 0 ? (dag_ssize_t)card.ring.size : 0;
}

int dag_attach_stream64(int fd, int stream, uint32_t flags, dag_size_t extra_window)
{
	if (fd != 1000 || stream != 0 || flags != 0 || extra_window != 0 || card.attached)
		return wrong();
	card.attached = 1;
	return 0;
}

int dag_detach_stream(int fd, int stream)
{
	if (fd != 1000 || stream != 0 || !card.attached || card.started)
		return wrong();
	card.attached = 0;
	return 0;
}

int dag_start_stream(int fd, int stream)
{
	if (fd != 1000 || stream != 0 || !card.attached || card.started)
		return wrong();
	card.started = 1;
	return 0;
}

int dag_stop_stream(int fd, int stream)
{
	if (fd != 1000 || stream != 0 || !card.started)
		return wrong();
	card.started = 0;
	return 0;
}

int dag_set_stream_poll64(int fd, int stream, dag_size_t mindata, struct timeval *maxwait,
			  struct timeval *poll)
{
	if (fd != 1000 || stream != 0 || mindata != 0 || maxwait->tv_sec || maxwait->tv_usec ||
	    poll->tv_sec || poll->tv_usec)
		return wrong();
	return 0;
}

uint8_t *dag_advance_stream(int fd, int stream, uint8_t **bottom)
{
	uint8_t *now = card.ring.mem + card.released % card.ring.size;
	uint64_t given = *bottom ? (uint64_t)(*bottom - now) : 0;
	if (fd != 1000 || stream != 0 || !card.started || (*bottom && *bottom < now) ||
	    given > card.put - card.released) {
		wrong();
		return NULL;
	}
	if (card.error) {
		errno = card.error;
		return NULL;
	}
	memset(now, 0xde, given); // a use after release shows
	card.released += given;
	*bottom = card.ring.mem + card.released % card.ring.size;
	return *bottom + (card.put - card.released);
}

/* --- the configuration library --- */

void *dag_config_init(const char *name)
{
	return strcmp(name, "dag0") == 0 ? &card : NULL;
}

void dag_config_dispose(void *ref)
{
	if (ref != &card)
		wrong();
}

uint64_t dag_config_get_indexed_attribute_uuid(void *ref, uint32_t code, uint32_t index)
{
	if (ref != &card || index != 0)
		wrong();
	return code == FAKE_DAG_DROP_ATTR ? 1 : 0;
}

int dag_config_get_uint64_attribute_ex(void *ref, uint64_t uuid, uint64_t *value)
{
	if (ref != &card || uuid != 1)
		return wrong();
	*value = card.drops;
	return 0;
}
