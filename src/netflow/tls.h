/* SPDX-License-Identifier: BSD-3-Clause */
/* tls: credentials from files, for TLS and DTLS. The key must be its owner's alone, and nobody else may
 * write any of the files: who can change them decides whom flow records go to. */
#pragma once

#include <openssl/ssl.h>
#include <sys/stat.h>

#include "core/error.h"
#include "netflow/transport.h"

/* What the files were when they were read. */
struct hm_tls_stamp {
	struct timespec changed[3];
	ino_t inode[3];
};

/* A context for a client that shows its certificate and checks the other side's. NULL with a sentence
 * that names the file. */
SSL_CTX *hm_tls_context(const struct hm_credentials *who, bool datagrams,
			struct hm_tls_stamp *stamp, struct hm_error *err);
bool hm_tls_changed(const struct hm_credentials *who, const struct hm_tls_stamp *stamp);
/* Whom a connection expects to find: the name, or the numeric address. */
bool hm_tls_expect(SSL *ssl, const struct hm_credentials *who, const char *address);
/* Why the last call failed: what the collector's certificate lacks, or OpenSSL's newest error. */
void hm_tls_reason(const SSL *ssl, char *to, size_t room);
