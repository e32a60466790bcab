/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words: the lists, each with a NULL after the last. */
#include "words.h"

#include <stddef.h>

#include "transport/base/compress_mode.h"
#include "transport/base/on_busy.h"

#define CODEC(NAME, name, record, feature, most) [XF_COMPRESS_##NAME] = #name,
const char *const xf_words_compress[] = {
    [XF_COMPRESS_AUTO] = "auto", XF_CODECS(CODEC)[XF_COMPRESS_NONE] = "none", NULL};
#undef CODEC

const char *const xf_words_on_busy[] = {[XF_ON_BUSY_GO] = "go", [XF_ON_BUSY_ABORT] = "abort", NULL};
