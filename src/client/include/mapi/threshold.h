/* SPDX-License-Identifier: BSD-3-Clause */
/* Types and bounds of THRESHOLD, under the names of MAPI's source, of its manual (TR_B_...) and of the tutorial (ULL,
 * EQ ...). The tutorial's CHAR is that of mapi.h, and means the same to THRESHOLD as TYPE_CHAR. */
#ifndef MAPI_THRESHOLD_H
#define MAPI_THRESHOLD_H

#include <mapi.h>

#define TYPE_CHAR               0
#define TYPE_INT                1
#define TYPE_UNSIGNED_LONG_LONG 2
#define ULL                     TYPE_UNSIGNED_LONG_LONG
#define TR_POLL                 64  /* added to a type: once in every timeout */
#define TR_MW                   128 /* moving window: what was added in the last timeout */

#define EQUAL_BOUND   0
#define GT_BOUND      1
#define LT_BOUND      2
#define EQUAL_D_BOUND 4 /* of the difference from the last test */
#define GT_D_BOUND    8
#define LT_D_BOUND    16

#define TR_B_EQ    EQUAL_BOUND
#define TR_B_POS   GT_BOUND
#define TR_B_NEG   LT_BOUND
#define TR_B_D_EQ  EQUAL_D_BOUND
#define TR_B_D_POS GT_D_BOUND
#define TR_B_D_NEG LT_D_BOUND

#define EQ   EQUAL_BOUND
#define GT   GT_BOUND
#define LT   LT_BOUND
#define EQ_D EQUAL_D_BOUND
#define GT_D GT_D_BOUND
#define LT_D LT_D_BOUND

#endif
