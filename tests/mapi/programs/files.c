/* SPDX-License-Identifier: BSD-3-Clause */
/* files: functions that write files, into the folder where the program runs. */
#include "scaffold.h"
#if DIALECT == TUTORIAL
#include "stdlib/ipfixlib.h"
#include "stdlib/res2file.h"
#else
#include <mapi/ipfixlib.h>
#include <mapi/res2file.h>
#endif

static int to_file(int fd)
{
	mapi_apply_function(fd, "BPF_FILTER", "udp");
	return mapi_apply_function(fd, "TO_FILE", MFF_PCAP, "udp.pcap", 0);
}

static int to_file_ten(int fd)
{
	return mapi_apply_function(fd, "TO_FILE", MFF_RAW, "ten.pcap", 10ULL);
}

static int to_file_erf(int fd)
{
#if DIALECT == TUTORIAL
	return mapi_apply_function(fd, "TO_FILE", MFF_ERF, "all.erf", 0);
#else
	return mapi_apply_function(fd, "TO_FILE", MFF_DAG_ERF, "all.erf", 0);
#endif
}

/* Not 0 while it writes. */
static void print_state(int fd, int fid)
{
	const void *r = result(fd, fid);

	if (!r)
		fail("mapi_read_results");
	printf("%d\n", *(const int *)r);
}

static int flow_report(int fd)
{
	char folder[512], file[600];

	if (!getcwd(folder, sizeof(folder)))
		return -1;
	snprintf(file, sizeof(file), "file:%s/flows.ipfix", folder);
	if (mapi_apply_function(fd, "FLOW_REPORT", "IPFIX", file, "", "") < 0)
		return -1;
	return mapi_apply_function(fd, "PKT_COUNTER");
}

/* The program itself is the collector. */
static int flow_report_to_us(int fd)
{
	return mapi_apply_function(fd, "FLOW_REPORT", "IPFIX", "SHMEM", "", "");
}

/* Flows of a device are not over yet, and a read would wait for them. */
static void print_reports(int fd, int fid)
{
	FILE *to = fopen("memory.ipfix", "wb");
	const ifp_dgram_t *d;
	unsigned long last = 0, gaps = 0, n = 0;

	if (!to)
		fail("memory.ipfix");
	while (!on_device() && (d = (const ifp_dgram_t *)result(fd, fid)) != NULL) {
		gaps += n++ > 0 && d->recno != last + 1;
		last = d->recno;
		fwrite(d->bytes, 1, d->size, to);
	}
	fclose(to);
	printf("%d %lu\n", n > 0, gaps);
}

/* A row at every packet. The tutorial has the functions before their types. */
static int res2file(int fd)
{
	int packets = mapi_apply_function(fd, "PKT_COUNTER"), gap = mapi_apply_function(fd, "GAP"),
	    done;
	char list[64], types[32];

	snprintf(list, sizeof(list), "%d@%d,%d@%d", packets, fd, gap, fd);
#if DIALECT == TUTORIAL
	snprintf(types, sizeof(types), "%d,%d", R2F_ULL, R2F_ULLSEC);
	done = mapi_apply_function(fd, "RES2FILE", list, types, "Count Gap", "rows.txt", "-1");
#elif DIALECT == MAPI1
	snprintf(types, sizeof(types), "%d,%d", R2F_ULLSTR, R2F_ULLSEC);
	done = mapi_apply_function(fd, "RES2FILE", types, list, "Count Gap", "rows.txt", "-1");
#else
	snprintf(types, sizeof(types), "%d,%d", R2F_ULLSTR, R2F_ULLSEC);
	done = mapi_apply_function(fd, "RES2FILE", types, list, "Count Gap", "rows.txt", "-1", 0);
#endif
	return done < 0 ? done : packets;
}

int main(int argc, char **argv)
{
	static const struct example examples[] = {
		{"to_file", to_file, print_state},
		{"to_file_ten", to_file_ten, print_state},
		{"to_file_erf", to_file_erf, print_state},
		{"flow_report", flow_report, print_ull},
		{"flow_report_to_us", flow_report_to_us, print_reports},
		{"res2file", res2file, print_ull},
		{NULL, NULL, NULL},
	};

	return run(examples, argc, argv);
}
