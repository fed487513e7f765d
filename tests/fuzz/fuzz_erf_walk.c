/* SPDX-License-Identifier: BSD-3-Clause */
/* Walks arbitrary bytes as the DAG driver walks a stream: it must end, and never leave the window.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "pmd_dag/dag_ext.h"
#include "pmd_dag/dag_meta.h"
#include "pmd_dag/dag_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint32_t sink; // so that the reads are made

static uint32_t touch(const uint8_t *p, uint32_t n)
{
	uint32_t sum = 0;
	for (uint32_t i = 0; i < n; i++)
		sum += p[i];
	return sum;
}

// What the driver reads of a frame that it delivers.
static uint32_t deliver(const uint8_t *rec, const struct dag_record *r)
{
	struct dag_ext ext;
	dag_ext_read(rec, r->offset - 2, &ext);
	assert(ext.host >> 48 == 0);
	assert(rec[8] & HM_ERF_MORE || !(ext.has_hash || ext.has_color || ext.has_sequence));
	uint32_t caplen = hm_erf_caplen(r->rlen, r->offset, hm_erf_wlen(rec), HM_ERF_FCS);
	assert(r->offset >= HM_ERF_HEADER + 2);
	assert(r->offset <= r->rlen);
	assert(caplen <= r->rlen - r->offset);
	assert(caplen <= hm_erf_wlen(rec));
	assert(hm_erf_interface(hm_erf_flags(rec)) < 8);
	return touch(rec + r->offset, caplen) + rec[r->offset - 2] +
	       (uint32_t)hm_erf_ts_to_ns(hm_erf_ts(rec));
}

static uint32_t read_meta(const uint8_t *rec, uint32_t rlen)
{
	uint32_t offset = hm_erf_payload_offset(rec, rlen);
	struct dag_meta meta = {0};
	if (offset != 0)
		dag_meta_read(rec, offset, rlen, 0, &meta);
	return meta.clock_state + meta.phase_error + (uint32_t)meta.drops;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *cur = data, *top = data + size;
	for (;;) {
		struct dag_record r = {0};
		enum dag_verdict verdict = dag_record_look(cur, (size_t)(top - cur), &r);
		if (verdict == DAG_RECORD_WAIT || verdict == DAG_RECORD_LOST)
			return 0;
		assert(r.rlen >= HM_ERF_HEADER && r.rlen <= (size_t)(top - cur));
		if (verdict == DAG_RECORD_FRAME || verdict == DAG_RECORD_ERROR_FRAME)
			sink += deliver(cur, &r);
		else if (verdict == DAG_RECORD_META)
			sink += read_meta(cur, r.rlen);
		else
			sink += touch(cur, HM_ERF_HEADER);
		cur += r.rlen;
	}
}
