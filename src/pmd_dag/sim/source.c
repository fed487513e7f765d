/* SPDX-License-Identifier: BSD-3-Clause */
#include "pmd_dag/sim/source.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <zlib.h>

#include "pmd_dag/sim/shared.h"
#include "trace/erf.h"

// --- a lap that is kept ---

#define LAP_PACKETS 65536u
#define LAP_BYTES   (32u << 20)

static void lap_init(struct sim_lap *lap)
{
	lap->packet = malloc(LAP_PACKETS * sizeof(*lap->packet));
	lap->data = malloc(LAP_BYTES);
}

static void lap_fini(struct sim_lap *lap)
{
	free(lap->packet);
	free(lap->data);
	*lap = (struct sim_lap){0};
}

// A lap that is too long is made again each time.
static void lap_keep(struct sim_lap *lap, const struct hm_trace_packet *p)
{
	if (!lap->packet || !lap->data || lap->n_packets == LAP_PACKETS ||
	    p->caplen > LAP_BYTES - lap->n_data) {
		lap_fini(lap);
		return;
	}
	lap->packet[lap->n_packets++] = *p;
	memcpy(lap->data + lap->n_data, p->data, p->caplen);
	lap->n_data += p->caplen;
}

static int lap_next(struct sim_lap *lap, struct hm_trace_packet *p)
{
	if (lap->next_packet == lap->n_packets)
		return 0;
	*p = lap->packet[lap->next_packet++];
	p->data = lap->data + lap->next_data;
	lap->next_data += p->caplen;
	return 1;
}

// --- the source ---

static int open_reader(struct sim_source *s, struct hm_error *err)
{
	s->reader = hm_trace_open(s->path, err);
	if (!s->reader)
		return errno ? -errno : -EIO;
	return 0;
}

int sim_source_open(struct sim_source *s, const struct dag_sim_card *card, struct hm_error *err)
{
	int ret = 0;
	*s = (struct sim_source){.laps_max = card->loop, .laps = 1, .link = HM_LINK_ETHERNET};
	if (card->path) {
		s->path = strdup(card->path);
		ret = s->path ? open_reader(s, err) : -ENOMEM;
	} else if (card->fd >= 0) {
		s->reader = hm_trace_fdopen(card->fd, "trace", err);
		if (!s->reader)
			ret = errno ? -errno : -EIO;
	} else if (card->generator) {
		s->conf = *card->generator;
		s->plant = s->conf.plant ? strdup(s->conf.plant) : NULL;
		s->conf.plant = s->plant;
		s->generator = hm_generator_create(&s->conf);
		if (!s->generator)
			ret = hm_error_set(err, -EINVAL, 0, "generator: bad configuration");
		else if (s->laps_max != 1 && s->conf.packets > 0 && s->conf.packets <= LAP_PACKETS)
			lap_init(&s->lap);
	} else {
		ret = hm_error_set(err, -EINVAL, 0, "neither a trace nor a generator is given");
	}
	if (ret < 0) {
		sim_source_close(s);
		return ret;
	}
	if (s->reader)
		s->link = hm_trace_link(s->reader);
	return 0;
}

void sim_source_close(struct sim_source *s)
{
	if (s->reader)
		hm_trace_close(s->reader);
	if (s->generator)
		hm_generator_destroy(s->generator);
	lap_fini(&s->lap);
	free(s->path);
	free(s->plant);
	s->reader = NULL;
	s->generator = NULL;
	s->path = s->plant = NULL;
}

int sim_source_next(struct sim_source *s, struct hm_trace_packet *p, struct hm_error *err)
{
	int ret = s->lap.complete ? lap_next(&s->lap, p)
		  : s->generator  ? hm_generator_next(s->generator, p)
				  : hm_trace_next(s->reader, p, err);
	if (ret <= 0)
		return ret;
	if (s->lap.data && !s->lap.complete)
		lap_keep(&s->lap, p);
	if (s->packets++ == 0 && s->laps == 1)
		s->first_ns = s->min_ns = s->max_ns = p->ts_ns;
	if (s->laps == 1) {
		// records may step back in time, so the span is not last - first
		s->min_ns = p->ts_ns < s->min_ns ? p->ts_ns : s->min_ns;
		s->max_ns = p->ts_ns > s->max_ns ? p->ts_ns : s->max_ns;
	}
	return 1;
}

void sim_source_lap_done(struct sim_source *s)
{
	// the span and one mean gap, so that the first packet of a lap follows the last one
	uint64_t span = s->max_ns - s->min_ns;
	if (s->laps == 1)
		s->lap_ns = span + (span > 0 && s->packets > 1 ? span / (s->packets - 1) : 0) + 1;
}

int sim_source_rewind(struct sim_source *s, struct hm_error *err)
{
	int ret = 0;
	if (s->lap.data) {
		s->lap.complete = true;
		s->lap.next_packet = s->lap.next_data = 0;
	} else if (s->generator) {
		hm_generator_destroy(s->generator);
		s->generator = hm_generator_create(&s->conf);
		if (!s->generator)
			ret = hm_error_set(err, -ENOMEM, 0, "generator: out of memory");
	} else if (s->path) {
		hm_trace_close(s->reader);
		ret = open_reader(s, err);
	} else {
		ret = hm_error_set(err, -ESPIPE, 0, "a descriptor can be played once only");
	}
	s->packets = 0;
	s->laps++;
	return ret;
}

void sim_source_count(const struct sim_source *s, struct sim_shared *shared)
{
	if (!s->reader)
		return;
	const struct hm_trace_counts *counts = hm_trace_counts(s->reader);
	shared->skipped = counts->skipped;
	shared->corrected = counts->corrected;
	shared->file_bytes = counts->bytes;
}

uint64_t sim_source_file_size(const struct dag_sim_card *card)
{
	struct stat st;
	if (!card->path || stat(card->path, &st) < 0 || !S_ISREG(st.st_mode))
		return UINT64_MAX;
	return (uint64_t)st.st_size;
}

#define EXT_CLASSIFICATION 3u

struct sim_record_form sim_record_form_of(const struct dag_sim_card *card)
{
	return (struct sim_record_form){
		.fcs = card->fcs,
		// one stream is in order by itself
		.sequence = card->sequence == DAG_SIM_NUMBER_ALWAYS ||
			    (card->sequence == DAG_SIM_NUMBER_STREAMS && card->streams > 1),
		.color = card->rules != NULL,
	};
}

static uint32_t header_size(const struct sim_record_form *form)
{
	return HM_ERF_HEADER + (form->sequence ? HM_ERF_EXT_HEADER : 0) + 2;
}

// Captured bytes that fit, and whether an FCS goes behind them: a snapped frame has none.
static uint32_t captured(const struct hm_trace_packet *p, const struct sim_record_form *form,
			 bool *fcs)
{
	const uint32_t max = SIM_RECORD_MAX - header_size(form);
	uint32_t caplen = p->caplen < max ? p->caplen : max;
	*fcs = form->fcs == 32 && caplen == p->wirelen && caplen + HM_ERF_FCS <= max;
	return caplen;
}

uint32_t sim_record_size(const struct hm_trace_packet *p, const struct sim_record_form *form)
{
	bool fcs;
	uint32_t caplen = captured(p, form, &fcs);
	uint32_t size = header_size(form) + caplen + (fcs ? HM_ERF_FCS : 0);
	// a reader could not tell padding behind a snapped frame from its data
	return caplen < p->wirelen ? size : (size + 7) & ~7u;
}

void sim_put_be16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

// An extension header of 8 bytes: type, flags (none), sequence number.
static void put_sequence(uint8_t *rec, uint32_t sequence)
{
	uint64_t ext = htobe64((uint64_t)EXT_CLASSIFICATION << 56 | sequence);
	memcpy(rec + HM_ERF_HEADER, &ext, sizeof(ext));
}

uint32_t sim_record_number(const uint8_t *rec)
{
	uint32_t number;
	memcpy(&number, rec + HM_ERF_HEADER + 4, sizeof(number));
	return be32toh(number);
}

void sim_record_raise(uint8_t *rec, uint64_t ts, uint32_t sequence,
		      const struct sim_record_form *form)
{
	uint64_t sum = htole64(hm_erf_ts(rec) + ts);
	memcpy(rec, &sum, sizeof(sum));
	if (form->sequence)
		put_sequence(rec, sim_record_number(rec) + sequence);
}

bool sim_record_write(uint8_t *rec, const struct hm_trace_packet *p, const struct sim_stamp *stamp,
		      const struct sim_record_form *form)
{
	bool fcs;
	uint32_t caplen = captured(p, form, &fcs), rlen = sim_record_size(p, form);
	uint32_t wlen = p->wirelen + (form->fcs == 32 ? HM_ERF_FCS : 0);
	uint64_t ts = htole64(hm_erf_ts_from_ns(stamp->ts_ns));
	uint8_t *data = rec + header_size(form);

	memcpy(rec, &ts, sizeof(ts));
	rec[8] = (uint8_t)((form->color ? HM_ERF_COLOR_ETH : HM_ERF_ETH) |
			   (form->sequence ? HM_ERF_MORE : 0));
	rec[9] = (uint8_t)((p->ifindex & HM_ERF_FLAG_INTERFACE) | (p->ifindex & 4) << 4 |
			   HM_ERF_FLAG_VLEN);
	sim_put_be16(rec + 10, rlen);
	sim_put_be16(rec + 12, stamp->field);
	sim_put_be16(rec + 14, wlen < UINT16_MAX ? wlen : UINT16_MAX);
	if (form->sequence)
		put_sequence(rec, stamp->sequence);
	data[-2] = data[-1] = 0;
	memcpy(data, p->data, caplen);
	data += caplen;
	if (fcs) {
		// sent least significant byte first
		uint32_t crc = htole32((uint32_t)crc32(0, p->data, caplen));
		memcpy(data, &crc, sizeof(crc));
		data += sizeof(crc);
	}
	memset(data, 0, (size_t)(rec + rlen - data));
	return caplen < p->caplen || wlen > UINT16_MAX;
}

void sim_record_pad(uint8_t *rec, uint64_t n)
{
	while (n > 0) {
		uint64_t rlen = n < SIM_RECORD_MAX ? n : SIM_RECORD_MAX;
		if (n - rlen != 0 && n - rlen < HM_ERF_HEADER)
			rlen -= HM_ERF_HEADER;
		memset(rec, 0, rlen);
		rec[8] = HM_ERF_PAD;
		sim_put_be16(rec + 10, (uint32_t)rlen);
		rec += rlen;
		n -= rlen;
	}
}
