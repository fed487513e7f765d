/* SPDX-License-Identifier: BSD-3-Clause */
/* How RES2FILE writes a result. R2F_ULL and R2F_STAT are the names of the tutorial. */
#ifndef MAPI_RES2FILE_H
#define MAPI_RES2FILE_H

#define R2F_RAW    0
#define R2F_ULLSTR 1
#define R2F_ULLSEC 2 /* a time, in seconds */
#define R2F_STATS  3
#define R2F_ULL    R2F_ULLSTR
#define R2F_STAT   R2F_STATS

#endif
