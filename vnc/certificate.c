/* SPDX-License-Identifier: GPL-2.0-or-later */
/* certificate.c - see certificate.h */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include "lib/log.h"
#include "lib/util.h"
#include "vnc/certificate.h"

#define YEARS 10
#define FILE_MAX_BYTES (256 * KIB)

/* Server use only, for the host's name and for loopback (RFC 5280, section 4.2.1). */
static int describe(gnutls_x509_crt_t crt)
{
	static const u8 loopback[4] = {127, 0, 0, 1};
	char name[256] = "localhost";
	u8 serial[16];
	gethostname(name, sizeof(name) - 1);
	int ret = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));
	serial[0] &= 0x7f; /* a positive number */
	if (!ret)
		ret = gnutls_x509_crt_set_version(crt, 3);
	if (!ret)
		ret = gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
	if (!ret)
		ret = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name));
	if (!ret)
		ret = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name, (unsigned)strlen(name), GNUTLS_FSAN_SET);
	if (!ret)
		ret = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, "localhost", 9, GNUTLS_FSAN_APPEND);
	if (!ret)
		ret = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, loopback, 4, GNUTLS_FSAN_APPEND);
	if (!ret)
		ret = gnutls_x509_crt_set_activation_time(crt, time(NULL) - 86400); /* clocks differ */
	if (!ret)
		ret = gnutls_x509_crt_set_expiration_time(crt, time(NULL) + YEARS * 365l * 86400);
	if (!ret)
		ret = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
	if (!ret)
		ret = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
	return ret ? ret : gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
}

static int write_pem(const gnutls_datum_t *pem, const char *path, mode_t mode, struct error *err)
{
	return replace_file(path, (const char *)pem->data, pem->size, mode, err);
}

static int make(const char *crt_path, const char *key_path, struct error *err)
{
	gnutls_x509_privkey_t key = NULL;
	gnutls_x509_crt_t crt = NULL;
	gnutls_datum_t key_pem = {0}, crt_pem = {0};
	int ret = gnutls_x509_privkey_init(&key);
	if (!ret)
		ret = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	if (!ret)
		ret = gnutls_x509_crt_init(&crt);
	if (!ret)
		ret = describe(crt);
	if (!ret)
		ret = gnutls_x509_crt_set_key(crt, key);
	if (!ret)
		ret = gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
	if (!ret)
		ret = gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &key_pem);
	if (!ret)
		ret = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &crt_pem);
	if (ret)
		ret = fail(err, -EIO, "cannot make the host's certificate: %s", gnutls_strerror(ret));
	if (!ret)
		ret = write_pem(&key_pem, key_path, 0600, err);
	if (!ret)
		ret = write_pem(&crt_pem, crt_path, 0644, err);
	if (!ret)
		log_info("made the host's certificate, %s", crt_path);
	if (key_pem.data)
		explicit_bzero(key_pem.data, key_pem.size);
	gnutls_free(key_pem.data);
	gnutls_free(crt_pem.data);
	if (crt)
		gnutls_x509_crt_deinit(crt);
	if (key)
		gnutls_x509_privkey_deinit(key);
	return ret;
}

static int facts_of(const gnutls_datum_t *pem, struct certificate_facts *out)
{
	gnutls_x509_crt_t crt;
	u8 sum[32];
	size_t size = sizeof(sum);
	int ret = gnutls_x509_crt_init(&crt);
	if (ret)
		return ret;
	ret = gnutls_x509_crt_import(crt, pem, GNUTLS_X509_FMT_PEM);
	if (!ret)
		ret = gnutls_x509_crt_get_fingerprint(crt, GNUTLS_DIG_SHA256, sum, &size);
	size_t name_size = sizeof(out->made_for) - 1;
	if (ret || !gnutls_x509_crt_check_issuer(crt, crt) ||
	    gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, out->made_for, &name_size))
		out->made_for[0] = 0;
	time_t ends = ret ? 0 : gnutls_x509_crt_get_expiration_time(crt);
	gnutls_x509_crt_deinit(crt);
	out->ends = ends > 0 ? (u64)ends : 0;
	for (unsigned k = 0; !ret && k < sizeof(sum); k++)
		snprintf(out->fingerprint + 3 * k, 4, "%02X%s", sum[k], k + 1 < sizeof(sum) ? ":" : "");
	return ret;
}

int certificate_load(gnutls_certificate_credentials_t *out, struct certificate_facts *facts, struct error *err)
{
	char *crt_path = root_path("etc/vmk/console.crt"), *key_path = root_path("etc/vmk/console.key"), *crt = NULL, *key = NULL;
	size_t crt_len = 0, key_len = 0;
	gnutls_certificate_credentials_t credentials = NULL;
	int ret = 0;
	/* Only when neither is there: half a pair is an administrator's mistake, not to be written over. */
	if (access(crt_path, F_OK) && access(key_path, F_OK))
		ret = make(crt_path, key_path, err);
	if (!ret)
		ret = read_file(crt_path, FILE_MAX_BYTES, &crt, &crt_len, err);
	if (!ret)
		ret = read_file(key_path, FILE_MAX_BYTES, &key, &key_len, err);
	if (!ret) {
		gnutls_datum_t c = {(unsigned char *)crt, (unsigned)crt_len}, k = {(unsigned char *)key, (unsigned)key_len};
		int tls = gnutls_certificate_allocate_credentials(&credentials);
		if (!tls)
			tls = gnutls_certificate_set_x509_key_mem(credentials, &c, &k, GNUTLS_X509_FMT_PEM);
		if (!tls)
			tls = facts_of(&c, facts);
		if (tls)
			ret = fail(err, -EBADMSG, "%s and console.key: %s", crt_path, gnutls_strerror(tls));
	}
	if (key)
		explicit_bzero(key, key_len);
	if (ret && credentials)
		gnutls_certificate_free_credentials(credentials);
	else
		*out = credentials;
	free(key);
	free(crt);
	free(key_path);
	free(crt_path);
	return ret;
}
