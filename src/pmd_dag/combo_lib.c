/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of libsze2's calls, and what differs between its releases. */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include <rte_common.h>
#include <rte_errno.h>

#include "card.h"
#include "combo_lib.h"

#define COMBO_SYMBOL(name, field, optional)                                  \
	{                                                                    \
		"szedata_" name, offsetof(struct combo_lib, field), optional \
	}

static const struct {
	const char *name;
	size_t offset;
	bool optional;
} symbols[] = {
	COMBO_SYMBOL("open", open, false),
	COMBO_SYMBOL("close", close, false),
	COMBO_SYMBOL("ifaces_available", ifaces_available, false),
	COMBO_SYMBOL("start", start, false),
	COMBO_SYMBOL("rx_lock_data", rx_lock_data, false),
	COMBO_SYMBOL("rx_unlock_data", rx_unlock_data, false),
	COMBO_SYMBOL("subscribe3", subscribe, true),
	COMBO_SYMBOL("subscribe", old_subscribe, true),
	COMBO_SYMBOL("get_area_size", get_area_size, true),
	COMBO_SYMBOL("get_area_numa_node", get_area_numa_node, true),
};

static int
resolve(struct combo_lib *lib, const char *path)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(symbols); i++) {
		void *address = dlsym(lib->handle, symbols[i].name);

		if (address == NULL && !symbols[i].optional) {
			COMBO_LOG(ERR, "lib=%s: it has no %s(), is this libsze2?", path,
				  symbols[i].name);
			return -ENOSYS;
		}
		memcpy((char *)lib + symbols[i].offset, &address, sizeof(address));
	}
	if (lib->subscribe == NULL && lib->old_subscribe == NULL) {
		COMBO_LOG(ERR,
			  "lib=%s: it has neither szedata_subscribe3() nor "
			  "szedata_subscribe()",
			  path);
		return -ENOSYS;
	}
	return 0;
}

int
combo_lib_open(struct combo_lib *lib, const char *path)
{
	char why[PATH_MAX + 128];
	int ret;

	lib->handle = card_lib_open(path, why, sizeof(why));
	if (lib->handle == NULL) {
		COMBO_LOG(ERR, "lib=%s: %s", path, why);
		return -rte_errno;
	}
	ret = resolve(lib, path);
	if (ret < 0)
		combo_lib_close(lib);
	return ret;
}

void
combo_lib_close(struct combo_lib *lib)
{
	if (lib->handle != NULL)
		dlclose(lib->handle);
	*lib = (struct combo_lib){0};
}

int
combo_lib_subscribe(const struct combo_lib *lib, struct szedata *handle, unsigned int channel)
{
	/* the masks are rewritten to what is granted; both zero would be an assertion in there */
	uint32_t wanted = UINT32_C(1) << channel, rx = wanted, tx = 0;
	int ret;

	if (lib->subscribe != NULL)
		ret = lib->subscribe(handle, &rx, &tx);
	else
		ret = lib->old_subscribe(handle, &rx, &tx, 0, 0);
	if (ret > 0)
		return -ret;
	return ret < 0 || !(rx & wanted) ? -EBUSY : 0;
}
