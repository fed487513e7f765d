/* SPDX-License-Identifier: BSD-3-Clause */
/* How SAMPLE chooses. DETERMINISTIC is the name of the tutorial. */
#ifndef MAPI_SAMPLE_H
#define MAPI_SAMPLE_H

#define PERIODIC      2
#define PROBABILISTIC 3
#define DETERMINISTIC PERIODIC

#endif
