/* SPDX-License-Identifier: BSD-3-Clause */
/* bpf: filters as libpcap compiles them, run by its interpreter packet by packet. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter/filter_private.h"

/* A handle on a capture file of no packets. Unlike pcap_open_dead() it has libpcap refuse what only a
 * kernel can answer (inbound, ifindex), and know the IPv6 families of all systems' loopbacks. */
static pcap_t *open_empty_file(enum hm_link link, uint32_t snaplen)
{
	struct pcap_file_header header = {.magic = 0xa1b2c3d4,
					  .version_major = PCAP_VERSION_MAJOR,
					  .version_minor = PCAP_VERSION_MINOR,
					  .snaplen = snaplen, // 0: libpcap's largest
					  .linktype = link};
	char reason[PCAP_ERRBUF_SIZE];
	FILE *file = fmemopen(&header, sizeof(header), "r");
	pcap_t *handle = file ? pcap_fopen_offline(file, reason) : NULL;

	if (file && !handle)
		fclose(file);
	return handle; // has read the header and will read no more
}

static struct hm_bpf *take_program(const struct bpf_program *program)
{
	size_t size = program->bf_len * sizeof(program->bf_insns[0]);
	struct hm_bpf *f = malloc(sizeof(*f) + size);

	if (f) {
		f->n_insns = program->bf_len;
		memcpy(f->insns, program->bf_insns, size);
	}
	return f;
}

/* libpcap's optimiser takes cubic time: 20 s for a list of 800 hosts, while clients wait. Up to this
 * many instructions before optimisation it needs less than 0.1 s; beyond, filters run as they are.
 */
#define OPTIMISE_MAX 4000

static int compile_program(pcap_t *handle, const char *expression, struct bpf_program *program)
{
	if (pcap_compile(handle, program, expression, 0, 0) != 0)
		return -1;
	if (program->bf_len > OPTIMISE_MAX)
		return 0;
	pcap_freecode(program);
	return pcap_compile(handle, program, expression, 1, 0);
}

static struct hm_bpf *compile(pcap_t *handle, const char *expression, struct hm_error *err)
{
	struct bpf_program program;
	struct hm_bpf *f = NULL;

	if (compile_program(handle, expression, &program) != 0) {
		hm_error_set(err, -EINVAL, 1025, "filter \"%.200s\": %s", expression,
			     pcap_geterr(handle));
		return NULL;
	}
	// the interpreter trusts its program
	if (!bpf_validate(program.bf_insns, (int)program.bf_len))
		hm_error_set(err, -EINVAL, 1025, "filter \"%.200s\": invalid program", expression);
	else if (!(f = take_program(&program)))
		hm_error_set(err, -ENOMEM, 1027, "filter: out of memory");
	pcap_freecode(&program);
	return f;
}

struct hm_bpf *hm_bpf_compile(const char *expression, enum hm_link link, uint32_t snaplen,
			      struct hm_error *err)
{
	pcap_t *handle = open_empty_file(link, snaplen);
	struct hm_bpf *bpf;

	if (!handle) {
		hm_error_set(err, -ENOMEM, 1027, "filter: libpcap makes no handle for %s",
			     hm_link_name(link));
		return NULL;
	}
	bpf = compile(handle, expression, err);
	pcap_close(handle);
	return bpf;
}

uint64_t hm_bpf_run(const struct hm_bpf *bpf, const struct hm_batch *b, uint64_t in)
{
	uint64_t out = 0;

	for (uint64_t left = in; left != 0; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);
		uint64_t match =
			bpf_filter(bpf->insns, b->data[i], b->wirelen[i], b->caplen[i]) != 0;

		out |= match << i;
	}
	return out;
}
