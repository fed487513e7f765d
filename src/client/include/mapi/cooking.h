/* SPDX-License-Identifier: BSD-3-Clause */
/* COOKING's directions CLIENT_SIDE, SERVER_SIDE and BOTH_SIDE are in mapi.h. */
#ifndef MAPI_COOKING_H
#define MAPI_COOKING_H

#include <mapi.h>

#endif
