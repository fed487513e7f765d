/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages to the program whose flow has the function: MAPI's "shared memory". They wait in an outbox until the program
 * reads them, one by one; while that is full the exporter keeps what comes, for as long as it takes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/outbox.h"
#include "netflow/transport.h"

struct hm_connection {
	struct hm_outbox *outbox;
	uint64_t last; // number of the newest message
};

static int check_memory(const struct hm_endpoint *to, struct hm_error *err)
{
	return 0;
}

static struct hm_connection *open_memory(const struct hm_endpoint *to)
{
	struct hm_connection *c = calloc(1, sizeof(*c));

	if (c)
		c->outbox = to->outbox;
	return c;
}

static void put(struct hm_connection *c, const struct iovec *message)
{
	struct hm_datagram *d = hm_outbox_room(c->outbox, 0);

	d->ts_ns = d->number = ++c->last; // one after the other, as they came
	d->bytes = (uint32_t)message->iov_len;
	memcpy(d->message, message->iov_base, message->iov_len);
	hm_outbox_put(c->outbox, 0);
}

static int send_memory(struct hm_connection *c, const struct iovec *messages, unsigned n)
{
	unsigned i = 0;

	for (; i < n && hm_outbox_has_room(c->outbox, 0); i++) {
		if (messages[i].iov_len > HM_DATAGRAM_MAX)
			return -EMSGSIZE;
		put(c, &messages[i]);
	}
	return i > 0 ? (int)i : -EAGAIN;
}

static int error_memory(struct hm_connection *c)
{
	return 0;
}

static uint64_t pending_memory(struct hm_connection *c)
{
	return 0;
}

static bool flush_memory(struct hm_connection *c)
{
	return true;
}

static void close_memory(struct hm_connection *c)
{
	free(c);
}

const struct hm_transport hm_transport_memory = {
	.name = "memory",
	.forgiving = true,
	.patient = true,
	.check = check_memory,
	.open = open_memory,
	.send = send_memory,
	.error = error_memory,
	.pending = pending_memory,
	.flush = flush_memory,
	.close = close_memory,
};
