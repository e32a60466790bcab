/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Seal: keys, and sealing and opening one packet. */
#include "seal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct xf_seal {
    struct gcm_key_data tx, rx;
    IMB_MGR *mgr; /* its function table, chosen for this CPU; holds no secret */
    size_t map_bytes;
};

/* A core has 10 to 16 lines of memory under way at once and waits with more, so as many are fetched
   and then so much is sealed (on a Xeon 1584 cycles a page where whole pages were fetched before
   they were sealed, and 1146 so). A multiple of GCM's block. */
#define FETCH_BYTES 1024u

#define SHA256_BYTES 32
#define SHA256_BLOCK 64

/* HMAC (RFC 2104) of up to two parts that together are short: what HKDF needs. */
static void hmac_sha256(IMB_MGR *mgr, const uint8_t *key, size_t key_len, const uint8_t *a,
                        size_t a_len, const uint8_t *b, size_t b_len, uint8_t out[SHA256_BYTES])
{
    uint8_t inner[SHA256_BLOCK + 256];
    uint8_t outer[SHA256_BLOCK + SHA256_BYTES];
    uint8_t block[SHA256_BLOCK] = {0};

    if (key_len > SHA256_BLOCK)
        IMB_SHA256(mgr, key, key_len, block);
    else if (key_len)
        memcpy(block, key, key_len);
    for (unsigned i = 0; i < SHA256_BLOCK; i++) {
        inner[i] = block[i] ^ 0x36;
        outer[i] = block[i] ^ 0x5c;
    }
    if (a_len)
        memcpy(inner + SHA256_BLOCK, a, a_len);
    if (b_len)
        memcpy(inner + SHA256_BLOCK + a_len, b, b_len);
    IMB_SHA256(mgr, inner, SHA256_BLOCK + a_len + b_len, outer + SHA256_BLOCK);
    IMB_SHA256(mgr, outer, sizeof(outer), out);
    explicit_bzero(inner, sizeof(inner));
    explicit_bzero(outer, sizeof(outer));
    explicit_bzero(block, sizeof(block));
}

static void hkdf(IMB_MGR *mgr, const uint8_t *salt, size_t salt_len, const uint8_t *ikm,
                 size_t ikm_len, const uint8_t *info, size_t info_len, uint8_t *out, size_t out_len)
{
    uint8_t prk[SHA256_BYTES], okm[SHA256_BYTES];
    const uint8_t one = 1;

    hmac_sha256(mgr, salt, salt_len, ikm, ikm_len, NULL, 0, prk);
    hmac_sha256(mgr, prk, sizeof(prk), info, info_len, &one, 1, okm);
    memcpy(out, okm, out_len < sizeof(okm) ? out_len : sizeof(okm));
    explicit_bzero(prk, sizeof(prk));
    explicit_bzero(okm, sizeof(okm));
}

static IMB_MGR *manager_new(void)
{
    IMB_MGR *mgr = alloc_mb_mgr(0);

    if (!mgr)
        return NULL;
    /* Chooses by CPUID among AVX-512, AVX2, AVX, SSE: a host without AVX has a path too. */
    init_mb_mgr_auto(mgr, NULL);
    if (imb_get_errno(mgr) || !mgr->gcm256_enc) {
        free_mb_mgr(mgr);
        return NULL;
    }
    return mgr;
}

void xf_hkdf_sha256(const uint8_t *salt, size_t salt_len, const uint8_t *ikm, size_t ikm_len,
                    const uint8_t *info, size_t info_len, uint8_t *out, size_t out_len)
{
    IMB_MGR *mgr = manager_new();

    memset(out, 0, out_len);
    if (!mgr)
        return;
    hkdf(mgr, salt, salt_len, ikm, ikm_len, info, info_len, out, out_len);
    free_mb_mgr(mgr);
}

static void expand_key(IMB_MGR *mgr, const uint8_t *secret, const uint8_t *session_id,
                       const char *info, struct gcm_key_data *key)
{
    uint8_t raw[32];

    hkdf(mgr, session_id, XF_SESSION_ID_BYTES, secret, XF_SECRET_BYTES, (const uint8_t *)info,
         strlen(info), raw, sizeof(raw));
    IMB_AES256_GCM_PRE(mgr, raw, key);
    explicit_bzero(raw, sizeof(raw));
}

int xf_seal_new(struct xf_seal **out, const uint8_t secret[XF_SECRET_BYTES],
                const uint8_t session_id[XF_SESSION_ID_BYTES], enum xf_role role)
{
    return xf_seal_new_two(out, secret, secret, session_id, role);
}

int xf_seal_new_two(struct xf_seal **out, const uint8_t to_target[XF_SECRET_BYTES],
                    const uint8_t to_source[XF_SECRET_BYTES],
                    const uint8_t session_id[XF_SESSION_ID_BYTES], enum xf_role role)
{
    size_t bytes = (sizeof(struct xf_seal) + 4095) & ~(size_t)4095;
    struct xf_seal *seal =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    *out = NULL;
    if (seal == MAP_FAILED)
        return -ENOMEM;
    /* Best effort both: neither changes what is right or wrong. */
    (void)madvise(seal, bytes, MADV_DONTDUMP);
    (void)mlock(seal, bytes);
    seal->map_bytes = bytes;
    seal->mgr = manager_new();
    if (!seal->mgr) {
        munmap(seal, bytes);
        return -ENOTSUP;
    }
    expand_key(seal->mgr, to_target, session_id, "xl-fast 1 source to target",
               role == XF_ROLE_SOURCE ? &seal->tx : &seal->rx);
    expand_key(seal->mgr, to_source, session_id, "xl-fast 1 target to source",
               role == XF_ROLE_SOURCE ? &seal->rx : &seal->tx);
    *out = seal;
    return 0;
}

void xf_seal_free(struct xf_seal *seal)
{
    if (!seal)
        return;
    size_t bytes = seal->map_bytes;

    free_mb_mgr(seal->mgr);
    explicit_bzero(seal, sizeof(*seal));
    munmap(seal, bytes);
}

static void make_nonce(uint8_t nonce[12], const struct xf_wire_header *header)
{
    const uint32_t queue = header->queue;

    memcpy(nonce, &queue, 4);
    memcpy(nonce + 4, &header->sequence, 8);
}

void xf_seal_begin(const struct xf_seal *seal, struct xf_seal_run *run,
                   const struct xf_wire_header *header)
{
    uint8_t nonce[12];

    make_nonce(nonce, header);
    IMB_AES256_GCM_INIT(seal->mgr, &seal->tx, &run->gcm, nonce, (const uint8_t *)header,
                        sizeof(*header));
}

void xf_seal_update(const struct xf_seal *seal, struct xf_seal_run *run, uint8_t *dst,
                    const void *src, size_t len)
{
    IMB_AES256_GCM_ENC_UPDATE(seal->mgr, &seal->tx, &run->gcm, dst, src, len);
}

void xf_seal_update_ahead(const struct xf_seal *seal, struct xf_seal_run *run, uint8_t *dst,
                          const void *src, size_t len, const void *ahead)
{
    for (size_t at = 0; at < len; at += FETCH_BYTES) {
        const size_t n = len - at < FETCH_BYTES ? len - at : FETCH_BYTES;

        for (size_t line = 0; ahead && line < n; line += 64)
            __builtin_prefetch((const char *)ahead + at + line);
        xf_seal_update(seal, run, dst + at, (const char *)src + at, n);
    }
}

void xf_seal_end(const struct xf_seal *seal, struct xf_seal_run *run, uint8_t tag[XF_TAG_BYTES])
{
    IMB_AES256_GCM_ENC_FINALIZE(seal->mgr, &seal->tx, &run->gcm, tag, XF_TAG_BYTES);
}

int xf_seal_open(const struct xf_seal *seal, const struct xf_wire_header *header,
                 const uint8_t *sealed, size_t len, const uint8_t tag[XF_TAG_BYTES], uint8_t *plain)
{
    struct gcm_context_data ctx;
    uint8_t nonce[12], want[XF_TAG_BYTES];
    uint8_t diff = 0;

    make_nonce(nonce, header);
    IMB_AES256_GCM_DEC(seal->mgr, &seal->rx, &ctx, plain, sealed, len, nonce,
                       (const uint8_t *)header, sizeof(*header), want, sizeof(want));
    /* Compares all bytes whatever they are, so that time tells nothing. */
    for (unsigned i = 0; i < XF_TAG_BYTES; i++)
        diff |= (uint8_t)(want[i] ^ tag[i]);
    return diff ? -EBADMSG : 0;
}
