/* SPDX-License-Identifier: BSD-3-Clause */
#include "core/eal.h"

#include <dirent.h>
#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"

HM_LOG_TYPE(eal)

#define ARGS_MAX 128

uint64_t hm_hugepages_free(void)
{
	DIR *dir = opendir("/sys/kernel/mm/hugepages");
	uint64_t bytes = 0;
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		unsigned long long kb, pages;
		char path[PATH_MAX];
		FILE *f;

		if (sscanf(entry->d_name, "hugepages-%llukB", &kb) != 1)
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%s/free_hugepages",
			 entry->d_name);
		f = fopen(path, "r");
		if (f && fscanf(f, "%llu", &pages) == 1)
			bytes += pages * kb * 1024;
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return bytes;
}

bool hm_eal_uses_hugepages(const struct hm_eal_config *config)
{
	if (config->hugepages != HM_HUGE_AUTO)
		return config->hugepages == HM_HUGE_ON;
	// EAL maps hugepages with CAP_IPC_LOCK-like rights only; without them it fails late
	return geteuid() == 0 && hm_hugepages_free() >= (uint64_t)config->memory_mb << 20;
}

static void tell_memory(const struct hm_eal_config *config, bool huge)
{
	if (huge)
		HM_LOG(NOTICE, "memory: hugepages memory_mb=%u", config->memory_mb);
	else
		HM_LOG(NOTICE,
		       "memory: ordinary pages (--no-huge), slower; for hugepages run as root: "
		       "echo %u > /proc/sys/vm/nr_hugepages memory_mb=%u",
		       (config->memory_mb + 1) / 2 + 1, config->memory_mb);
}

int hm_eal_start(const struct hm_config *config, struct hm_error *err)
{
	const struct hm_eal_config *c = &config->eal;
	bool huge = hm_eal_uses_hugepages(c), pci = false;
	char memory[16], prefix[32], *args[ARGS_MAX + 1];
	int n = 0, ret;

	snprintf(memory, sizeof(memory), "%u", c->memory_mb);
	snprintf(prefix, sizeof(prefix), "homard%d", (int)getpid());
	args[n++] = (char *)(uintptr_t) "homardd";
	args[n++] = (char *)(uintptr_t) "--lcores";
	args[n++] = c->lcores;
	args[n++] = (char *)(uintptr_t) "-m";
	args[n++] = memory;
	args[n++] = (char *)(uintptr_t) "--file-prefix";
	args[n++] = prefix;
	args[n++] = (char *)(uintptr_t) "--no-telemetry";
	args[n++] = (char *)(uintptr_t) "--log-level=lib.eal:warning";
	// no files in a hugetlbfs, so nothing is left behind whatever happens
	args[n++] = (char *)(uintptr_t)(huge ? "--in-memory" : "--no-huge");
	for (size_t i = 0; i < config->n_devices; i++)
		if (config->devices[i].source == HM_SOURCE_PCI && n < ARGS_MAX - 2) {
			args[n++] = (char *)(uintptr_t) "-a";
			args[n++] = config->devices[i].where;
			pci = true;
		}
	if (!pci)
		args[n++] = (char *)(uintptr_t) "--no-pci";
	for (size_t i = 0; i < c->args.n && n < ARGS_MAX; i++)
		args[n++] = c->args.at[i];
	args[n] = NULL;
	ret = rte_eal_init(n, args);
	if (ret < 0)
		return hm_error_set(err, -rte_errno, 0,
				    "DPDK does not start (%s): its own message is above; check "
				    "eal.lcores, eal.memory_mb and eal.args%s",
				    rte_strerror(rte_errno),
				    huge ? ", or set eal.hugepages to \"off\"" : "");
	tell_memory(c, huge);
	return 0;
}

/* EAL leaves its runtime folder (/run/dpdk/PREFIX) behind; ours is of no use to anybody else. */
static void remove_folder(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_type != DT_DIR)
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(path);
}

void hm_eal_stop(void)
{
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%s", rte_eal_get_runtime_dir());
	rte_eal_cleanup();
	remove_folder(folder);
}
