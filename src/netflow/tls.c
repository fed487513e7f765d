/* SPDX-License-Identifier: BSD-3-Clause */
#include "netflow/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <unistd.h>

enum { CA, CERTIFICATE, KEY, FILES };

static const char *path_of(const struct hm_credentials *who, unsigned file)
{
	const char *const paths[FILES] = {who->ca, who->certificate, who->key};

	return paths[file];
}

static const char *const kinds[FILES] = {"ca", "certificate", "key"};

static int check_file(const char *path, unsigned file, struct hm_tls_stamp *stamp,
		      struct hm_error *err)
{
	struct stat s;

	if (path[0] != '/')
		return hm_error_set(err, -EINVAL, 0, "%s \"%s\" is not a path from the root",
				    kinds[file], path);
	if (stat(path, &s) < 0)
		return hm_error_set(err, -errno, 0, "%s \"%s\": %s", kinds[file], path,
				    strerror(errno));
	if (!S_ISREG(s.st_mode))
		return hm_error_set(err, -EINVAL, 0, "%s \"%s\" is not a regular file", kinds[file],
				    path);
	if (s.st_uid != 0 && s.st_uid != geteuid())
		return hm_error_set(err, -EPERM, 0,
				    "%s \"%s\" belongs to user %u, and neither to root nor to the "
				    "daemon's user",
				    kinds[file], path, s.st_uid);
	if (s.st_mode & (file == KEY ? 077 : 022))
		return hm_error_set(err, -EPERM, 0, "%s \"%s\" has mode %04o: others may %s it",
				    kinds[file], path, s.st_mode & 07777,
				    file == KEY ? "read or write" : "write");
	stamp->changed[file] = s.st_mtim;
	stamp->inode[file] = s.st_ino;
	return 0;
}

void hm_tls_reason(const SSL *ssl, char *to, size_t room)
{
	long verdict = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);

	if (verdict != X509_V_OK)
		snprintf(to, room, "the collector's certificate: %s",
			 X509_verify_cert_error_string(verdict));
	else if (reason)
		snprintf(to, room, "%s", reason);
	else
		to[0] = '\0';
	ERR_clear_error();
}

static int bad_file(const struct hm_credentials *who, unsigned file, struct hm_error *err)
{
	char reason[128];

	hm_tls_reason(NULL, reason, sizeof(reason));
	return hm_error_set(err, -EINVAL, 0, "%s \"%s\": %s", kinds[file], path_of(who, file),
			    reason);
}

/* A key that wants a password is refused, and nobody is asked for one. */
static int no_password(char *to, int room, int writing, void *arg)
{
	(void)to;
	(void)room;
	(void)writing;
	(void)arg;
	return 0;
}

static int load(SSL_CTX *ctx, const struct hm_credentials *who, struct hm_error *err)
{
	SSL_CTX_set_default_passwd_cb(ctx, no_password);
	if (SSL_CTX_load_verify_file(ctx, who->ca) != 1)
		return bad_file(who, CA, err);
	if (SSL_CTX_use_certificate_chain_file(ctx, who->certificate) != 1)
		return bad_file(who, CERTIFICATE, err);
	if (SSL_CTX_use_PrivateKey_file(ctx, who->key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1)
		return bad_file(who, KEY, err);
	return 0;
}

SSL_CTX *hm_tls_context(const struct hm_credentials *who, bool datagrams,
			struct hm_tls_stamp *stamp, struct hm_error *err)
{
	SSL_CTX *ctx;

	for (unsigned i = 0; i < FILES; i++)
		if (check_file(path_of(who, i), i, stamp, err) < 0)
			return NULL;
	ctx = SSL_CTX_new(datagrams ? DTLS_client_method() : TLS_client_method());
	if (!ctx) {
		hm_error_set(err, -ENOMEM, 0, "no memory for TLS");
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ctx, datagrams ? DTLS1_2_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (load(ctx, who, err) == 0)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

bool hm_tls_changed(const struct hm_credentials *who, const struct hm_tls_stamp *stamp)
{
	for (unsigned i = 0; i < FILES; i++) {
		const struct timespec *was = &stamp->changed[i];
		struct stat s;
		if (stat(path_of(who, i), &s) < 0)
			continue; // is being replaced
		if (s.st_ino != stamp->inode[i] || s.st_mtim.tv_sec != was->tv_sec ||
		    s.st_mtim.tv_nsec != was->tv_nsec)
			return true;
	}
	return false;
}

bool hm_tls_expect(SSL *ssl, const struct hm_credentials *who, const char *address)
{
	if (who->name[0] == '\0')
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), address) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, who->name) == 1 && SSL_set_tlsext_host_name(ssl, who->name) == 1;
}
