/* SPDX-License-Identifier: BSD-3-Clause */
/* packets: read where a worker put them, in the ring of TO_BUFFER (core/pktring.h). Only who finds it empty asks the
 * daemon, which answers when there is something.
 */
#include <errno.h>
#include <unistd.h>

#include "client/libmapi/internal.h"

enum next { NEXT_FAILED = -1, NEXT_NONE, NEXT_PACKET };

int wait_for_news(struct flow *f, struct applied *a, bool *end)
{
	struct hm_client_extras x = {.no_limit = true};
	struct hm_error err = {0};
	json_int_t seen;
	json_t *answer;

	pthread_mutex_lock(&a->lock);
	seen = a->seen;
	pthread_mutex_unlock(&a->lock);
	answer = hm_client_request(
		session_client(f->session), "flow.wait",
		json_pack("{s:I, s:i, s:I}", "flow", f->number, "function", a->fid, "after", seen),
		&x, &err);
	if (!answer)
		return mapi_fail_as(&err, MAPI_BUFFER_ERROR);
	*end = json_is_true(json_object_get(answer, "end"));
	json_decref(answer);
	return 0;
}

static int open_ring(struct flow *f, struct applied *a)
{
	struct hm_client_extras x = {0};
	struct hm_error err = {0};
	json_t *answer = hm_client_request(
		session_client(f->session), "flow.buffer",
		json_pack("{s:I, s:i}", "flow", f->number, "function", a->fid), &x, &err);

	if (!answer)
		return mapi_fail_as(&err, MAPI_INVALID_FID);
	json_decref(answer);
	a->ring = hm_pktring_open(x.fd, &err);
	if (a->ring)
		return 0;
	if (x.fd >= 0)
		close(x.fd);
	return mapi_fail_as(&err, MAPI_BUFFER_ERROR);
}

/* Looks into the ring; *empty: nothing is there now. a->lock is held. */
static enum next look(struct flow *f, struct applied *a, const struct hm_mapipkt **packet,
		      bool *empty)
{
	struct hm_pktring_packet p;
	int got;

	if (!a->ring && open_ring(f, a) < 0)
		return NEXT_FAILED;
	got = hm_pktring_next(a->ring, &p);
	*empty = got == 0;
	if (got == 1)
		*packet = p.mapipkt;
	else if (got < 0 && got != -ENODATA)
		return mapi_fail(MAPI_BUFFER_ERROR, "the packet ring of flow %d contradicts itself",
				 f->fd);
	return got == 1 ? NEXT_PACKET : NEXT_NONE;
}

static enum next next_packet(struct flow *f, struct applied *a, const struct hm_mapipkt **packet)
{
	bool empty, end = false;
	enum next n;

	for (;;) {
		pthread_mutex_lock(&a->lock);
		n = look(f, a, packet, &empty);
		pthread_mutex_unlock(&a->lock);
		if (n != NEXT_NONE || !empty || end)
			return n;
		if (a->nowait)
			return hm_client_lost(session_client(f->session))
				       ? mapi_fail(MAPI_SOCKET_ERROR,
						   "the daemon of flow %d has gone", f->fd)
				       : NEXT_NONE;
		if (wait_for_news(f, a, &end) < 0)
			return NEXT_FAILED;
	}
}

struct mapipkt *mapi_get_next_pkt(int fd, int fid)
{
	const struct hm_mapipkt *packet = NULL;
	struct flow *f;
	struct applied *a = find_running(fd, fid, MAPI_INVALID_FID, &f);

	if (a)
		next_packet(f, a, &packet);
	if (f)
		flow_release(f);
	return (struct mapipkt *)(uintptr_t)packet;
}

struct mapipkt *mapi_get_next_packet(int fd, int fid)
{
	return mapi_get_next_pkt(fd, fid);
}

int mapi_loop(int fd, int fid, int cnt, mapi_handler cb)
{
	const struct hm_mapipkt *packet = NULL;
	struct flow *f;
	struct applied *a = find_running(fd, fid, MAPI_INVALID_FID, &f);
	enum next n = NEXT_FAILED;

	if (a && !cb)
		mapi_fail(MFUNCT_INVALID_ARGUMENT_4, "mapi_loop: no function is given");
	else if (a)
		n = NEXT_PACKET;
	for (int i = 0; n == NEXT_PACKET && (cnt <= 0 || i < cnt); i = cnt > 0 ? i + 1 : 0) {
		n = next_packet(f, a, &packet);
		if (n == NEXT_PACKET)
			cb((const struct mapipkt *)packet);
	}
	if (f)
		flow_release(f);
	return n == NEXT_FAILED ? -1 : 0;
}
