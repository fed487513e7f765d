/* SPDX-License-Identifier: BSD-3-Clause */
/* calls: those that ask what there is, and the life of a flow. Prints "NAME VALUE ..." of each.
 * usage: calls TRACE */
#include <mapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check(const char *what, int returned)
{
	char text[MAPI_ERRORSTR_LENGTH] = "";
	int number = 0;

	if (returned >= 0)
		return;
	mapi_read_error(&number, text);
	printf("%s failed: %d %s\n", what, number, text);
	exit(1);
}

static void devices(void)
{
	mapi_device_info_t info;

	for (int id = 0; mapi_get_next_device_info(id, &info) == 0; id = info.id) {
		printf("device %d %s, %s, %s, %d %d %d\n", info.id, info.device, info.alias,
		       info.description, info.link_speed, info.mpls, info.vlan);
		check("mapi_get_device_info", mapi_get_device_info(info.id, &info));
	}
}

/* Every function of every library by its number, and BPF_FILTER in full. */
static void libraries(void)
{
	mapi_lib_info_t library;
	mapi_libfunct_info_t function;

	for (int i = -1; mapi_get_next_library_info(i, &library) == 0; i++) {
		unsigned n = 0;

		check("mapi_get_library_info", mapi_get_library_info(i + 1, &library));
		for (int k = -1; mapi_get_next_libfunct_info(i + 1, k, &function) == 0; k++) {
			check("mapi_get_libfunct_info",
			      mapi_get_libfunct_info(i + 1, k + 1, &function));
			n++;
			if (!strcmp(function.name, "BPF_FILTER"))
				printf("function %s of %s, %s, type %s, %d\n", function.name,
				       library.libname, function.argdescr, function.devtype,
				       function.descr[0] != '\0');
		}
		printf("library %d %s has all: %d\n", library.id, library.libname,
		       n == library.functs && n > 0);
	}
}

static void functions_of(int fd)
{
	mapi_function_info_t info;

	for (int fid = 0; mapi_get_next_function_info(fd, fid, &info) == 0; fid = info.fid) {
		check("mapi_get_function_info", mapi_get_function_info(fd, info.fid, &info));
		printf("applied %s of %s, %d bytes, %llu %llu\n", info.name, info.libname,
		       info.result_size, info.pkts, info.passed_pkts);
	}
}

static const char *status_of(int fd)
{
	static const char *const names[] = {"init", "active", "finished", "closed"};
	mapi_flow_info_t info;

	check("mapi_get_flow_info", mapi_get_flow_info(fd, &info));
	return names[info.status];
}

static void print_flow(const char *when, int fd)
{
	mapi_flow_info_t info;

	check("mapi_get_flow_info", mapi_get_flow_info(fd, &info));
	printf("flow %s: %s, ours: %d, %u functions, started: %d, ended: %d\n", when, status_of(fd),
	       info.fd == fd && info.uid == getuid(), info.num_functions, info.start > 0,
	       info.end > 0);
}

/* All flows of the daemon, by their numbers there. */
static int count_flows(void)
{
	mapi_flow_info_t info;
	int n = 0;

	for (int fd = 0; mapi_get_next_flow_info(fd, &info) == 0; fd = info.fd)
		n++;
	return n;
}

int main(int argc, char **argv)
{
	struct mapi_stat stat;
	int fd, number = -1;
	char *device;

	if (argc != 2)
		return 2;
	device = mapi_create_offline_device(argv[1], MFF_PCAP);
	check("mapi_create_offline_device", device ? 0 : -1);
	printf("trace is PATH@N: %d\n", !strncmp(device, argv[1], strlen(argv[1])) &&
						device[strlen(argv[1])] == '@' &&
						atoi(device + strlen(argv[1]) + 1) > 0);
	fd = mapi_create_flow(device);
	check("mapi_create_flow", fd);
	check("BPF_FILTER", mapi_apply_function(fd, "BPF_FILTER", "udp"));
	check("PKT_COUNTER", mapi_apply_function(fd, "PKT_COUNTER"));
	print_flow("fresh", fd);
	check("mapi_connect", mapi_connect(fd));
	print_flow("connected", fd);
	printf("flows %d\n", count_flows());
	check("mapi_start_offline_device", mapi_start_offline_device(device));
	while (strcmp(status_of(fd), "finished") != 0)
		usleep(2000);
	print_flow("finished", fd);
	functions_of(fd);
	printf("scope %d remote %d\n", mapi_get_scope_size(fd), mapi_is_remote(fd));
	printf("stats %d", mapi_stats(device, &stat));
	printf(" %u %u %u %s\n", stat.ps_recv, stat.ps_drop, stat.ps_ifdrop, stat.hostname);
	mapi_read_error(NULL, NULL);
	mapi_get_scope_size(7777);
	printf("error %d", mapi_read_error(&number, NULL));
	printf(" %d", number);
	printf(" then %d", mapi_read_error(&number, NULL));
	printf(" %d\n", number);
	check("mapi_close_flow", mapi_close_flow(fd));
	check("mapi_delete_offline_device", mapi_delete_offline_device(device));
	free(device);
	// a flow on what is there keeps the daemon's ear
	fd = mapi_create_flow("idle");
	devices();
	libraries();
	check("mapi_close_flow", mapi_close_flow(fd));
	return 0;
}
