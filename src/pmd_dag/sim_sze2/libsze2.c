/* SPDX-License-Identifier: BSD-3-Clause */
/* The calls of libsze2. Misuse fails and is counted; corrupt data is simply handed out. */
#include "pmd_dag/sim_sze2/libsze2.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "pmd_dag/sim_sze2/card.h"

int SZE2_RX_POLL_TIMEOUT = 50, SZE2_TX_POLL_TIMEOUT = 25; // ms

struct szedata {
	struct sze2_card *card;
	uint32_t subscribed;
	uint32_t started;
	int fd;
	struct sze2_channel *locked;
	struct szedata_lock lock[2];
	struct szedata *next;
};

static struct szedata *handles; // the open ones

// The handle with the lock taken, or NULL with the lock free: it is not open.
static struct szedata *enter(struct szedata *handle)
{
	pthread_mutex_lock(&sze2_lock);
	struct szedata *h = handles;
	while (h && h != handle)
		h = h->next;
	if (!h) {
		pthread_mutex_unlock(&sze2_lock);
		errno = EBADF;
	}
	return h;
}

static int leave(int ret)
{
	pthread_mutex_unlock(&sze2_lock);
	return ret;
}

static int wrong(struct szedata *h, int error)
{
	h->card->violations++;
	errno = error;
	return error;
}

struct szedata *szedata_open(const char *node)
{
	static const char dev[] = "/dev/";
	const char *name = strncmp(node, dev, sizeof(dev) - 1) ? node : node + sizeof(dev) - 1;
	struct szedata *h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	h->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_lock(&sze2_lock);
	h->card = sze2_card_find(name);
	if (!h->card)
		h->card = sze2_card_from_file(name);
	if (h->card && h->fd >= 0) {
		h->card->handles++;
		h->next = handles;
		handles = h;
		pthread_mutex_unlock(&sze2_lock);
		return h;
	}
	int error = errno;
	pthread_mutex_unlock(&sze2_lock);
	if (h->fd >= 0)
		close(h->fd);
	free(h);
	errno = error;
	return NULL;
}

// Gives back what the lock covers, and with it the rest of a segment that was cut.
static void release(struct szedata *h)
{
	struct sze2_channel *ch = h->locked;
	ch->tail = ch->lock_tail;
	if (h->card->conf.poison)
		sze2_ring_poison(&ch->ring, ch->released, ch->locked - ch->released);
	ch->released = ch->locked;
	h->locked = NULL;
}

void szedata_close(struct szedata *handle)
{
	struct szedata *h = enter(handle), **p;
	if (!h)
		return;
	if (h->locked)
		release(h);
	for (uint32_t i = 0; i < h->card->conf.channels; i++)
		if (h->card->channels[i].reader == h)
			h->card->channels[i].reader = NULL;
	for (p = &handles; *p != h; p = &(*p)->next)
		;
	*p = h->next;
	h->card->handles--;
	leave(0);
	close(h->fd);
	free(h);
}

int szedata_ifaces_available(struct szedata *handle, enum sze2_dir dir)
{
	struct szedata *h = enter(handle);
	return h ? leave(dir == SZE2_DIR_TX ? 0 : (int)h->card->conf.channels) : -1;
}

int szedata_subscribe3(struct szedata *handle, uint32_t *rx, uint32_t *tx)
{
	uint32_t wanted = *rx, granted = 0;
	struct szedata *h = enter(handle);
	if (!h)
		return EBADF;
	if (wanted == 0 && *tx == 0)
		return leave(wrong(h, EINVAL)); // the real one asserts
	for (uint32_t i = 0; i < h->card->conf.channels; i++) {
		struct sze2_channel *ch = &h->card->channels[i];
		if (!(wanted & UINT32_C(1) << i) || ch->reader)
			continue;
		const struct sze2_sim_fault *f =
			sze2_card_fault(h->card, SZE2_SIM_SUBSCRIBE, i, ch->subscribes++);
		if (f && f->value != 0)
			return leave((int)f->value);
		if (!f) {
			ch->reader = h;
			granted |= UINT32_C(1) << i;
		}
	}
	*rx = granted;
	*tx = 0;
	h->subscribed |= granted;
	return leave(granted ? 0 : -EINVAL);
}

int szedata_subscribe(struct szedata *handle, uint32_t *rx, uint32_t *tx, uint32_t poll_rx,
		      uint32_t poll_tx)
{
	return szedata_subscribe3(handle, rx, tx);
}

int szedata_start(struct szedata *handle)
{
	struct szedata *h = enter(handle);
	if (!h)
		return EBADF;
	if (h->subscribed == h->started)
		return leave(wrong(h, EINVAL)); // nothing to start
	for (uint32_t i = 0; i < h->card->conf.channels; i++) {
		struct sze2_channel *ch = &h->card->channels[i];
		if (!(h->subscribed & ~h->started & UINT32_C(1) << i))
			continue;
		const struct sze2_sim_fault *f =
			sze2_card_fault(h->card, SZE2_SIM_START, i, ch->starts++);
		if (f)
			return leave((int)f->value);
		ch->fresh = true;
	}
	h->started = h->subscribed;
	return leave(0);
}

// As many segments as there are, as the card allows, or up to one that is cut.
static uint64_t cover(const struct sze2_card *c, struct sze2_channel *ch)
{
	const uint32_t most = c->conf.lock_frames;
	uint64_t start = ch->released, visible = start;
	ch->lock_tail = ch->tail;
	while (ch->lock_tail < ch->head && (most == 0 || ch->lock_tail - ch->tail < most)) {
		const struct sze2_segment *s = &ch->segments[ch->lock_tail++ % ch->n_segments];
		ch->locked = s->end;
		visible = s->end;
		if (s->cut != SZE2_NO_CUT) {
			visible = start + s->cut;
			break;
		}
		start = s->end;
	}
	return visible - ch->released;
}

// One region, or two if the ring's end lies in between.
static void fill_lock(struct szedata *h, struct sze2_channel *ch, uint32_t channel, uint64_t n)
{
	const uint64_t at = ch->released % ch->ring.size;
	const uint64_t first = n < ch->ring.size - at ? n : ch->ring.size - at;
	h->lock[0] = (struct szedata_lock){.start = ch->ring.mem + at,
					   .len = (uint32_t)first,
					   .area = (uint8_t)channel,
					   .next = first < n ? &h->lock[1] : NULL};
	h->lock[1] = (struct szedata_lock){
		.start = ch->ring.mem, .len = (uint32_t)(n - first), .area = (uint8_t)channel};
}

static const struct szedata_lock *lock_channel(struct szedata *h, uint32_t channel)
{
	struct sze2_card *c = h->card;
	struct sze2_channel *ch = &c->channels[channel];
	const uint64_t call = ch->locks++;
	const struct sze2_sim_fault *f = sze2_card_fault(c, SZE2_SIM_LOCK, channel, call);
	if (f) {
		errno = (int)f->value;
		return NULL;
	}
	if (!ch->fresh)
		sze2_card_feed(c);
	if (ch->head == ch->tail) {
		ch->fresh = false; // a reader that throws old data away loses nothing new
		if (ch->unplugged)
			errno = (int)ch->unplugged;
		return NULL;
	}
	fill_lock(h, ch, channel, cover(c, ch));
	if ((f = sze2_card_fault(c, SZE2_SIM_AREA, channel, call)))
		h->lock[0].area = (uint8_t)f->value;
	if ((f = sze2_card_fault(c, SZE2_SIM_LENGTH, channel, call)))
		h->lock[0].len = (uint32_t)(ch->ring.size + f->value);
	h->locked = ch;
	return h->lock;
}

const struct szedata_lock *szedata_rx_lock_data(struct szedata *handle, uint32_t areas)
{
	const struct szedata_lock *lock = NULL;
	struct szedata *h = enter(handle);
	if (!h)
		return NULL;
	if (h->locked || !(h->started & areas))
		wrong(h, EINVAL);
	else
		for (uint32_t i = 0; i < h->card->conf.channels && !lock; i++)
			if (h->started & areas & UINT32_C(1) << i)
				lock = lock_channel(h, i);
	leave(0);
	return lock;
}

int szedata_rx_unlock_data(struct szedata *handle, const struct szedata_lock *lock)
{
	(void)lock; // the real one ignores it, too
	struct szedata *h = enter(handle);
	if (!h)
		return EBADF;
	if (!h->locked)
		return leave(wrong(h, EINVAL));
	const struct sze2_sim_fault *f =
		sze2_card_fault(h->card, SZE2_SIM_UNLOCK, (uint32_t)(h->locked - h->card->channels),
				h->locked->unlocks++);
	if (f)
		return leave((int)f->value);
	release(h);
	return leave(0);
}

// Frames come when they are looked for: there is never a reason to wait.
int szedata_poll(struct szedata *handle, short *events, int timeout_ms)
{
	struct szedata *h = enter(handle);
	if (!h)
		return -1;
	short ready = 0;
	for (uint32_t i = 0; i < h->card->conf.channels; i++) {
		if (!(h->started & UINT32_C(1) << i))
			continue;
		if (!h->card->channels[i].fresh)
			sze2_card_feed(h->card);
		if (h->card->channels[i].head != h->card->channels[i].tail)
			ready = POLLIN;
	}
	*events &= ready;
	return leave(*events != 0);
}

int szedata_fd(struct szedata *handle)
{
	struct szedata *h = enter(handle);
	return h ? leave(h->fd) : -1;
}

int szedata_get_area_size(struct szedata *handle, uint8_t space, uint8_t area, uint32_t *size)
{
	struct szedata *h = enter(handle);
	if (!h)
		return EBADF;
	if (space != SZE2_DIR_RX || area >= h->card->conf.channels)
		return leave(EINVAL);
	*size = (uint32_t)h->card->channels[area].ring.size;
	return leave(0);
}

int szedata_get_area_numa_node(struct szedata *handle, enum sze2_dir dir, unsigned area)
{
	return -1;
}

static int never(struct szedata *handle)
{
	struct szedata *h = enter(handle);
	if (h)
		leave(wrong(h, ENOSYS));
	errno = ENOSYS;
	return -1;
}

unsigned char *szedata_read_next(struct szedata *h, unsigned *len)
{
	never(h);
	return NULL;
}

unsigned szedata_decode_packet(unsigned char *pkt, unsigned char **data, unsigned char **hw,
			       unsigned *dlen, unsigned *hwlen)
{
	errno = ENOSYS;
	return 0;
}

const struct szedata_lock *szedata_tx_lock_data(struct szedata *h, uint32_t size, uint8_t area)
{
	errno = ENOSYS;
	return NULL;
}

static int no_transmit(void)
{
	errno = ENOSYS;
	return -1;
}

int szedata_tx_unlock_data(struct szedata *h, const struct szedata_lock *lock, uint32_t size)
{
	return no_transmit();
}

unsigned char *szedata_prepare_packet(struct szedata *h, const unsigned char *hw, unsigned hwlen,
				      const unsigned char *sw, unsigned swlen, unsigned *len)
{
	no_transmit();
	return NULL;
}

int szedata_try_write_next(struct szedata *h, const unsigned char *pkt, unsigned len,
			   unsigned short iface)
{
	return no_transmit();
}

int szedata_prepare_and_try_write_next(struct szedata *h, const unsigned char *hw, unsigned hwlen,
				       const unsigned char *sw, unsigned swlen,
				       unsigned short iface)
{
	return no_transmit();
}

int szedata_burst_write_next(struct szedata *h, const unsigned char *hw, unsigned hwlen,
			     const unsigned char *sw, unsigned swlen, unsigned short iface)
{
	return szedata_prepare_and_try_write_next(h, hw, hwlen, sw, swlen, iface);
}

int szedata_burst_write_flush(struct szedata *h, unsigned short iface)
{
	return no_transmit();
}
