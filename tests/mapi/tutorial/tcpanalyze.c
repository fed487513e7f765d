/* SPDX-License-Identifier: BSD-3-Clause */
/* The tutorial's tool that measures a TCP stream, with these corrections: the arguments begin at argv[1]; cwndstat is
 * of cwnd; the list of functions is written; RES2FILE is of the flow snd and has a header; and it does not end. */
#include "mapi.h"
#include "stdlib/pktinfo.h"
#include "stdlib/protinfo.h"
#include "stdlib/res2file.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	char *file = argv[1];

	if (argc != 6) {
		printf("tcpanalyze <filename> <src_ip> <src_port> <dst_ip> <dst_port>\n");
		exit(-1);
	}
	int snd = mapi_create_flow("eth0");
	if (snd == -1) {
		printf("Could not create flow\n");
		exit(-1);
	}
	int rec = mapi_create_flow("eth0");

	char filter[1024];
	snprintf(filter, 1024,
		 "tcp and src host %s and src port %s and dst host %s and dst port %s", argv[2],
		 argv[3], argv[4], argv[5]);
	mapi_apply_function(snd, "BPF_FILTER", filter);

	snprintf(filter, 1024,
		 "tcp and src host %s and src port %s and dst host %s and dst port %s", argv[4],
		 argv[5], argv[2], argv[3]);
	mapi_apply_function(rec, "BPF_FILTER", filter);

	int pkts = mapi_apply_function(snd, "PKT_COUNTER");
	int bytes = mapi_apply_function(snd, "BYTE_COUNTER");
	int gap = mapi_apply_function(snd, "GAP");
	int gapstat = mapi_apply_function(snd, "STAT", snd, gap, 1);
	int seq = mapi_apply_function(snd, "PROTINFO", PI_TCPSEQ);
	int ack = mapi_apply_function(rec, "PROTINFO", PI_TCPACK);
	int cwnd = mapi_apply_function(snd, "BINOP", BINOP_SUB, snd, seq, rec, ack);
	int cwndstat = mapi_apply_function(snd, "STAT", snd, cwnd, 1);

	char fids[64], types[64];
	snprintf(fids, 64, "%d@%d,%d@%d,%d@%d,%d@%d", pkts, snd, bytes, snd, gapstat, snd, cwndstat,
		 snd);
	snprintf(types, 64, "%d,%d,%d,%d", R2F_ULLSTR, R2F_ULLSTR, R2F_STAT, R2F_STAT);
	mapi_apply_function(snd, "RES2FILE", fids, types, "Packets Bytes Gap Cwnd", file, "1s");

	mapi_connect(snd);
	mapi_connect(rec);

	while (1)
		sleep(10);
}
