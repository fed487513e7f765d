/* SPDX-License-Identifier: BSD-3-Clause */
/* libdag and libdagconf: the receive side of the card libraries' ABI, as programs in the open call
 * it. The vendor's own headers are not public and were not used.
 */
#pragma once

#include <stdint.h>
#include <sys/time.h>

typedef uint64_t dag_size_t;
typedef int64_t dag_ssize_t;

#pragma GCC visibility push(default)
int dag_parse_name(const char *name, char *buf, int buflen, int *stream);
int dag_open(char *name);
int dag_close(int fd);
int dag_rx_get_stream_count(int fd);
int dag_tx_get_stream_count(int fd);
dag_ssize_t dag_get_stream_buffer_size64(int fd, int stream);
dag_ssize_t dag_get_stream_buffer_level64(int fd, int stream);
int dag_attach_stream64(int fd, int stream, uint32_t flags, dag_size_t extra_window);
int dag_detach_stream(int fd, int stream);
int dag_start_stream(int fd, int stream);
int dag_stop_stream(int fd, int stream);
int dag_get_stream_poll64(int fd, int stream, dag_size_t *mindata, struct timeval *maxwait,
			  struct timeval *poll);
int dag_set_stream_poll64(int fd, int stream, dag_size_t mindata, struct timeval *maxwait,
			  struct timeval *poll);
uint8_t *dag_advance_stream(int fd, int stream, uint8_t **bottom);
uint8_t *dag_rx_stream_next_record(int fd, int stream);
int dag_get_stream_erf_types(int fd, int stream, uint8_t *types, int size);
int dag_set_mode(int fd, int stream, uint32_t mode);

/* Configuration: a card, attributes by a code of the vendor's, an index and then a handle. */
void *dag_config_init(const char *name);
void dag_config_dispose(void *card);
uint64_t dag_config_get_indexed_attribute_uuid(void *card, uint32_t code, uint32_t index);
int dag_config_get_uint64_attribute_ex(void *card, uint64_t uuid, uint64_t *value);
#pragma GCC visibility pop
