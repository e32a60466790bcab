/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Event words: recognizes a part of an event array. */
#include "event_words.h"

#include <stdint.h>

#include <xenctrl.h>

#include <xen/event_channel.h> /* after xenctrl.h, which says for which Xen */

#include "transport/guest.h"

#define WORDS (XF_PAGE_BYTES / sizeof(event_word_t))

/* As a kernel fills a new page of the array with. */
#define UNBOUND ((event_word_t)1 << EVTCHN_FIFO_MASKED)

/* Even where a guest has hundreds of channels. */
#define UNBOUND_MIN 64u

static bool valid(event_word_t word)
{
    const event_word_t linked = (event_word_t)1 << EVTCHN_FIFO_LINKED;
    const event_word_t known =
        ~(((event_word_t)1 << EVTCHN_FIFO_BUSY) - 1) | (word & linked ? EVTCHN_FIFO_LINK_MASK : 0);

    return !(word & ~known);
}

bool xf_event_words(const void *page)
{
    const event_word_t *words = page;
    unsigned unbound = 0;

    for (unsigned i = 0; i < WORDS; i++) {
        if (!valid(words[i]))
            return false;
        unbound += words[i] == UNBOUND;
    }
    return unbound >= UNBOUND_MIN && unbound < WORDS;
}
