/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which pages are taken for a part of a guest's event array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "xl-plugin/plugin/event_words.h"

#define PENDING (1u << 31)
#define MASKED  (1u << 30)
#define LINKED  (1u << 29)
#define BUSY    (1u << 28)

enum { WORDS = 1024 };

/* As Linux has it: a few channels, of which some have events. */
static void fill(uint32_t words[WORDS])
{
    for (unsigned i = 0; i < WORDS; i++)
        words[i] = MASKED;
    words[1] = 0;
    words[2] = PENDING | LINKED | 5;
    words[5] = PENDING | LINKED;
    words[6] = PENDING | MASKED;
    words[7] = LINKED | BUSY | 0x1ffff;
}

static void an_event_array(void **state)
{
    uint32_t words[WORDS];

    (void)state;
    fill(words);
    assert_true(xf_event_words(words));
    /* All but 64 are bound. */
    for (unsigned i = 64; i < WORDS; i++)
        words[i] = i & 1 ? 0 : PENDING;
    for (unsigned i = 0; i < 64; i++)
        words[i] = MASKED;
    assert_true(xf_event_words(words));
    words[63] = 0;
    assert_false(xf_event_words(words));
}

static void other_pages(void **state)
{
    static const uint32_t odd[] = {1, LINKED | 0x20000, MASKED | 1u << 27, 0x3f800000, UINT32_MAX};
    uint32_t words[WORDS];

    (void)state;
    for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        fill(words);
        words[WORDS - 1] = odd[i];
        assert_false(xf_event_words(words));
    }
    memset(words, 0, sizeof(words));
    assert_false(xf_event_words(words));
    /* Nothing to be written to yet; and so is an array of the number 2.0. */
    for (unsigned i = 0; i < WORDS; i++)
        words[i] = MASKED;
    assert_false(xf_event_words(words));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_array),
        cmocka_unit_test(other_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
