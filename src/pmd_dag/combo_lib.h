/* SPDX-License-Identifier: BSD-3-Clause */
/* CESNET's libsze2 (or a simulator with its ABI), opened at run time.
 *
 * Of its calls only those below are used. szedata_read_next() and its relatives, which end the
 * process when they meet a corrupt segment, are not among them.
 */
#ifndef COMBO_LIB_H
#define COMBO_LIB_H

#include <stddef.h>
#include <stdint.h>

#include "combo_logs.h"

struct szedata;

/* A region of the ring, as the library tells it. */
struct szedata_lock {
	void *start;
	uint32_t len;
	uint8_t area; /* channel */
	struct szedata_lock *next;
};

_Static_assert(offsetof(struct szedata_lock, next) == 16 && sizeof(struct szedata_lock) == 24,
	       "the library's layout");

#define COMBO_DIR_RX 0

struct combo_lib {
	struct szedata *(*open)(const char *node);
	void (*close)(struct szedata *handle);
	int (*ifaces_available)(struct szedata *handle, int direction);
	int (*subscribe)(struct szedata *handle, uint32_t *rx, uint32_t *tx);
	int (*start)(struct szedata *handle);
	const struct szedata_lock *(*rx_lock_data)(struct szedata *handle, uint32_t areas);
	int (*rx_unlock_data)(struct szedata *handle, const struct szedata_lock *lock);
	/* what old releases lack: NULL */
	int (*get_area_size)(struct szedata *handle, uint8_t space, uint8_t area, uint32_t *size);
	int (*get_area_numa_node)(struct szedata *handle, int direction, unsigned int area);
	/* the older form of subscribe, NULL if the newer one was found */
	int (*old_subscribe)(struct szedata *handle, uint32_t *rx, uint32_t *tx, uint32_t poll_rx,
			     uint32_t poll_tx);
	void *handle;
};

/* 0, or a negative errno whose reason has been logged. */
int combo_lib_open(struct combo_lib *lib, const char *path);
void combo_lib_close(struct combo_lib *lib); /* also of a zeroed one */

/* Takes one receive channel: 0, -EBUSY if it is not granted, or another negative errno. */
int combo_lib_subscribe(const struct combo_lib *lib, struct szedata *handle, unsigned int channel);

#endif
