/* SPDX-License-Identifier: BSD-3-Clause */
/* writer: encodes packets (encode.h) into one buffer that is written out when full, on flush and at the end. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trace/encode.h"

#define BUFFER (1u << 20)

struct hm_trace_writer {
	uint8_t *buf;
	size_t used;
	int fd;
	struct hm_trace_encoder encoder;
	char *application;
};

/* Keeps what could not be written, so that a later call goes on where this one stopped. */
int hm_trace_writer_flush(struct hm_trace_writer *w)
{
	size_t done = 0;
	int rc = 0;
	while (done < w->used) {
		ssize_t n = write(w->fd, w->buf + done, w->used - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = -errno;
			break;
		}
		done += (size_t)n;
	}
	if (done) {
		memmove(w->buf, w->buf + done, w->used - done);
		w->used -= done;
	}
	return rc;
}

static int make_room(struct hm_trace_writer *w, size_t n)
{
	if (BUFFER - w->used >= n)
		return 0;
	return hm_trace_writer_flush(w);
}

int hm_trace_write(struct hm_trace_writer *w, const struct hm_trace_packet *p)
{
	int n;

	while (hm_trace_needs_interface(&w->encoder, p->ifindex)) {
		n = make_room(w, HM_TRACE_RECORD_EXTRA);
		if (n < 0)
			return n;
		w->used += hm_trace_encode_interface(&w->encoder, w->buf + w->used);
	}
	n = make_room(w, (p->caplen < w->encoder.snaplen ? p->caplen : w->encoder.snaplen) +
				 HM_TRACE_RECORD_EXTRA);
	if (n == 0)
		n = hm_trace_encode(&w->encoder, p, w->buf + w->used);
	if (n < 0)
		return n;
	w->used += (size_t)n;
	return 0;
}

static void release(struct hm_trace_writer *w)
{
	free(w->application);
	free(w->buf);
	free(w);
}

static struct hm_trace_writer *create_writer(int fd, const struct hm_trace_encoder *encoder)
{
	struct hm_trace_writer *w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->fd = fd;
	w->encoder = *encoder;
	w->buf = malloc(BUFFER);
	if (encoder->application)
		w->encoder.application = w->application = strdup(encoder->application);
	if (w->buf && (w->application || !encoder->application))
		return w;
	release(w);
	return NULL;
}

struct hm_trace_writer *hm_trace_fdcreate(int fd, const char *name,
					  const struct hm_trace_writer_conf *conf,
					  struct hm_error *err)
{
	struct hm_trace_encoder encoder;
	struct hm_trace_writer *w;
	int rc = hm_trace_encoder_init(&encoder, name, conf, err);
	if (rc < 0) {
		errno = -rc;
		return NULL;
	}
	w = create_writer(fd, &encoder);
	if (!w) {
		hm_error_set(err, -ENOMEM, 0, "%s: no memory to write a trace", name);
		errno = ENOMEM;
		return NULL;
	}
	w->used = hm_trace_encode_header(&w->encoder, w->buf);
	return w;
}

struct hm_trace_writer *hm_trace_create(const char *path, const struct hm_trace_writer_conf *conf,
					struct hm_error *err)
{
	struct hm_trace_encoder encoder;
	struct hm_trace_writer *w;
	int fd, rc = hm_trace_encoder_init(&encoder, path, conf, err); // before the file is emptied
	if (rc < 0) {
		errno = -rc;
		return NULL;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0) {
		int code = errno;
		hm_error_set(err, -code, 0, "%s: cannot create: %s", path, strerror(code));
		errno = code;
		return NULL;
	}
	w = hm_trace_fdcreate(fd, path, conf, err);
	if (!w) {
		int code = errno;
		close(fd);
		errno = code;
	}
	return w;
}

int hm_trace_finish(struct hm_trace_writer *w)
{
	int rc;
	if (!w)
		return 0;
	rc = hm_trace_writer_flush(w);
	if (close(w->fd) < 0 && rc == 0)
		rc = -errno;
	release(w);
	return rc;
}
