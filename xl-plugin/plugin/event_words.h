/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Event words: pages of a guest that Xen writes to whenever an event is sent to it, while it is
 * suspended too; no dirty log has that. A frame for its network card, the first since it stands, is
 * enough. The guest gives Xen such pages as the event array of the FIFO ABI (EVTCHNOP_expand_array,
 * public/event_channel.h), and nobody else can ask which those are: so they are told by what they
 * hold. A guest that comes back to life makes its event channels anew, and so misses none of it.
 */
#ifndef XF_PLUGIN_EVENT_WORDS_H
#define XF_PLUGIN_EVENT_WORDS_H

#include <stdbool.h>

/* Whether a page can be part of an event array: some words are those of channels that were never
   bound, some are not, and none is what the ABI does not know. Another page that looks so by chance
   is not compared either. */
bool xf_event_words(const void *page);

#endif
