/* SPDX-License-Identifier: BSD-3-Clause */
/* libsze2: the ABI of CESNET's library, as programs call it. The receive side works; what a capture
 * driver has no use for is there and answers that it is not.
 */
#pragma once

#include <stdint.h>

struct szedata; // opaque

struct szedata_lock {
	void *start;
	uint32_t len;
	uint8_t area;
	struct szedata_lock *next;
};

enum sze2_dir { SZE2_DIR_RX, SZE2_DIR_TX, SZE2_DIR_BOTH };

#pragma GCC visibility push(default)

extern int SZE2_RX_POLL_TIMEOUT, SZE2_TX_POLL_TIMEOUT;

struct szedata *szedata_open(const char *node);
void szedata_close(struct szedata *h);
int szedata_ifaces_available(struct szedata *h, enum sze2_dir dir);
int szedata_subscribe3(struct szedata *h, uint32_t *rx, uint32_t *tx);
int szedata_subscribe(struct szedata *h, uint32_t *rx, uint32_t *tx, uint32_t poll_rx,
		      uint32_t poll_tx);
int szedata_start(struct szedata *h);
int szedata_poll(struct szedata *h, short *events, int timeout_ms);
int szedata_fd(struct szedata *h);
const struct szedata_lock *szedata_rx_lock_data(struct szedata *h, uint32_t areas);
int szedata_rx_unlock_data(struct szedata *h, const struct szedata_lock *lock);
int szedata_get_area_size(struct szedata *h, uint8_t space, uint8_t area, uint32_t *size);
int szedata_get_area_numa_node(struct szedata *h, enum sze2_dir dir, unsigned area);

// The real ones end the process when they meet corrupt data: to call them is a violation.
unsigned char *szedata_read_next(struct szedata *h, unsigned *len);
unsigned szedata_decode_packet(unsigned char *pkt, unsigned char **data, unsigned char **hw,
			       unsigned *dlen, unsigned *hwlen);
// The simulated card sends nothing: NULL, 0 or -1 with ENOSYS.
const struct szedata_lock *szedata_tx_lock_data(struct szedata *h, uint32_t size, uint8_t area);
int szedata_tx_unlock_data(struct szedata *h, const struct szedata_lock *lock, uint32_t size);
unsigned char *szedata_prepare_packet(struct szedata *h, const unsigned char *hw, unsigned hwlen,
				      const unsigned char *sw, unsigned swlen, unsigned *len);
int szedata_try_write_next(struct szedata *h, const unsigned char *pkt, unsigned len,
			   unsigned short iface);
int szedata_prepare_and_try_write_next(struct szedata *h, const unsigned char *hw, unsigned hwlen,
				       const unsigned char *sw, unsigned swlen,
				       unsigned short iface);
int szedata_burst_write_next(struct szedata *h, const unsigned char *hw, unsigned hwlen,
			     const unsigned char *sw, unsigned swlen, unsigned short iface);
int szedata_burst_write_flush(struct szedata *h, unsigned short iface);

#pragma GCC visibility pop
