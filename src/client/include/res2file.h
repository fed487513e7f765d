/* SPDX-License-Identifier: BSD-3-Clause */
/* Where some programs look for it. */
#include <mapi/res2file.h>
