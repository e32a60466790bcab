/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Features: what a session may do besides, each a bit of the offer (offer.h). A target refuses an
   offer with a bit that it does not know; numbers are never reused. */
#ifndef XF_TRANSPORT_FEATURES_H
#define XF_TRANSPORT_FEATURES_H

#include "transport/base/codec_list.h"

#define XF_FEATURE_ENUM(NAME, name, record, feature, most) XF_FEATURE_##NAME = (feature),
#define XF_FEATURE_OR(NAME, name, record, feature, most)   | XF_FEATURE_##NAME
enum xf_feature {
    XF_FEATURE_VERIFY = 1,      /* before the end, hashes of all pages are compared ... */
    XF_FEATURE_VERIFY_LIVE = 4, /* ... most of them while the guest runs; with VERIFY only */
    XF_CODECS(XF_FEATURE_ENUM)  /* pages may come so */
    XF_FEATURE_EARLY = 8,  /* the target's toolstack is given its end before the memory comes */
    XF_FEATURE_GROUP = 16, /* there are several targets, each with a key of its own (member.h) */
    XF_FEATURES_KNOWN = XF_FEATURE_VERIFY | XF_FEATURE_VERIFY_LIVE | XF_FEATURE_EARLY |
                        XF_FEATURE_GROUP XF_CODECS(XF_FEATURE_OR)
};
#undef XF_FEATURE_ENUM
#undef XF_FEATURE_OR

#endif
