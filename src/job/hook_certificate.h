/*
 * hook_certificate: whether a certificate and its private key can serve a set of hosts. Sources: RFC 5280 and RFC 6125, as
 * libcrypto has them. Private to src/job. Any thread.
 */
#ifndef SLOTDECK_JOB_HOOK_CERTIFICATE_H
#define SLOTDECK_JOB_HOOK_CERTIFICATE_H

#include "base/map.h"

#define CERTIFICATE_VALID_FOR_S (24 * 60 * 60) /* at least so long still */

/*
 * The leaf is the first certificate of chain_pem; hosts are the keys of a map, wildcards among them. now_s counts from 1970 UTC. True:
 * ret_not_before_s is when the leaf became valid. False: what is wrong was appended to why ("its certificate is expired …").
 */
bool certificate_fits(struct str chain_pem, struct str key_pem, const struct map *hosts, int64_t now_s, int64_t *ret_not_before_s,
		      struct buf *why);

#endif
