/* SPDX-License-Identifier: BSD-3-Clause */
/* Operators of BINOP. */
#ifndef MAPI_BINOP_H
#define MAPI_BINOP_H

#define BINOP_ADD 0
#define BINOP_SUB 1

#endif
