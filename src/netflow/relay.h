/* SPDX-License-Identifier: BSD-3-Clause */
/* relay: messages on their way to a thread of a transport's own, which may wait for a disk or for a
 * peer where the control core must not. A ring of bytes with one writer, the control core, and one
 * reader, the thread; only whole messages are in it. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define HM_RELAY_BYTES (1u << 22) // a power of two, and more than the longest message

struct hm_relay {
	pthread_t thread;
	int wake; // eventfd
	uint8_t *ring;
	uint64_t written; // bytes, by the control core
	uint64_t read;    // bytes, by the thread
	int error;        // negative errno, by the thread, once; what is in the ring stays there
	bool asleep, stop;
};

/* --- control core --- */

/* Starts run(arg) on a thread without signals. 0 or a negative errno. */
int hm_relay_start(struct hm_relay *o, void *(*run)(void *arg), void *arg);
/* Tells the thread to end, waits until it has, and frees the ring. */
void hm_relay_stop(struct hm_relay *o);
/* Messages taken, from the first; -EAGAIN: there is no room; else the thread's error. */
int hm_relay_put(struct hm_relay *o, const struct iovec *messages, unsigned n);
/* The pieces together, for which there is room. */
void hm_relay_put_whole(struct hm_relay *o, const struct iovec *parts, unsigned n);
bool hm_relay_room(const struct hm_relay *o, uint64_t bytes);
void hm_relay_nudge(struct hm_relay *o);             // wakes the thread
uint64_t hm_relay_pending(const struct hm_relay *o); // bytes that the thread has not taken
int hm_relay_error(const struct hm_relay *o);

/* --- the thread --- */

/* What is in the ring, from the oldest byte on, in up to two pieces; how many bytes. */
uint64_t hm_relay_look(const struct hm_relay *o, struct iovec v[2]);
void hm_relay_took(struct hm_relay *o, uint64_t bytes);
void hm_relay_fail(struct hm_relay *o, int error);
bool hm_relay_stopping(const struct hm_relay *o);
/* Until more is in the ring than the `known` bytes, or it is to stop, or `events` come on fd (-1: none),
 * or that much time has passed (-1: for ever). What came on fd. */
int hm_relay_wait(struct hm_relay *o, uint64_t known, int fd, int events, int timeout_ms);
