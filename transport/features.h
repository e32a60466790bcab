/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Features: what a session may do besides, each a bit of the offer (offer.h). A target refuses an
   offer with a bit that it does not know; numbers are never reused. */
#ifndef XF_TRANSPORT_FEATURES_H
#define XF_TRANSPORT_FEATURES_H

#include <stdint.h>

#define XF_FEATURE_VERIFY UINT64_C(1) /* before the end, hashes of all pages are compared */
#define XF_FEATURE_LZ4    UINT64_C(2) /* pages may come compressed */

#define XF_FEATURES_KNOWN (XF_FEATURE_VERIFY | XF_FEATURE_LZ4)

#endif
