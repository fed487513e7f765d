/* SPDX-License-Identifier: BSD-3-Clause */
/* ring_feed: preloaded into homardd, plays the other end of its net_ring device.
 *
 * Waits until the ring of port RING_FEED_PORT exists and the port is started, and puts
 * RING_FEED_PACKETS frames of 60 bytes into it (UDP from 10.0.0.1 port 1000 to 10.0.0.2 port 2000),
 * never dropping one. It is the ring's only producer, as that ring wants.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

static const uint8_t frame[60] = {
	0x02, 0,    0,    0,    0, 2,  0x02, 0, 0,  0,  0, 1, 0x08, 0, // Ethernet
	0x45, 0,    0,    46,   0, 0,  0,    0, 64, 17, 0, 0, 10,   0, 0, 1, 10, 0, 0, 2, // IPv4
	0x03, 0xe8, 0x07, 0xd0, 0, 26, 0,    0,                                           // UDP
};

static struct rte_ring *wait_for_ring(const char *port)
{
	char name[RTE_RING_NAMESIZE];
	struct rte_ring *ring;
	struct rte_eth_link link;
	uint16_t id;

	snprintf(name, sizeof(name), "ETH_RXTX0_%s", port);
	for (;;) {
		usleep(10000);
		// before EAL is up there is no port either, and nothing else may be asked
		if (rte_eth_dev_get_port_by_name(port, &id) < 0)
			continue;
		ring = rte_ring_lookup(name);
		if (ring && rte_eth_link_get_nowait(id, &link) == 0 &&
		    link.link_status == RTE_ETH_LINK_UP)
			return ring;
	}
}

static void *feed(void *arg)
{
	unsigned long wanted = strtoul(getenv("RING_FEED_PACKETS"), NULL, 10);
	struct rte_ring *ring = wait_for_ring(getenv("RING_FEED_PORT"));
	struct rte_mempool *pool = rte_pktmbuf_pool_create("ring_feed", 1023, 0, 0, 2048, 0);
	unsigned long sent = 0;

	if (!pool) {
		fputs("ring_feed: no memory for its packets\n", stderr);
		return NULL;
	}
	while (sent < wanted) {
		struct rte_mbuf *packet = rte_pktmbuf_alloc(pool);

		if (!packet) {
			usleep(100);
			continue;
		}
		memcpy(rte_pktmbuf_append(packet, sizeof(frame)), frame, sizeof(frame));
		while (rte_ring_enqueue(ring, packet) != 0)
			usleep(100);
		sent++;
	}
	return NULL;
}

static void __attribute__((constructor)) start_feeding(void)
{
	pthread_t thread;

	// other programs that are started with the same environment are left alone
	if (getenv("RING_FEED_PORT") && getenv("RING_FEED_PACKETS") &&
	    pthread_create(&thread, NULL, feed, NULL) == 0)
		pthread_detach(thread);
}
