/* SPDX-License-Identifier: BSD-3-Clause */
/* Where programs of MAPI 1.x and of the tutorial look for it. */
#include <mapi/stats.h>
