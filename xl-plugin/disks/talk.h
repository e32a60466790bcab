/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Talk: what both ends say to each other about disks, besides the disks themselves: by ssh's stdin
 * and stdout, which encrypt it and say who speaks. A message is a line of JSON, an object with
 * "kind"; after some of them follow bytes. Either end may say {"kind":"failed","reason":TEXT} at
 * any time. What is said, by whom, in what order: move_off.h.
 *
 * What comes is anybody's until it was checked: no line is longer than XF_TALK_LINE_BYTES, and the
 * caller looks at what is in it.
 *
 * Threads: one at a time. Errors: 0 or -errno, and a line for the user in why.
 */
#ifndef XF_DISKS_TALK_H
#define XF_DISKS_TALK_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#define XF_TALK_LINE_BYTES (256u << 10)
#define XF_TALK_WHY_BYTES  2600

struct json_object;

struct xf_talk {
    int in, out;
    const char *peer; /* what messages call it */
    char *held;       /* what has come and was not taken yet */
    size_t held_n;
    /* NULL, or where a signal says that nothing is to be waited for any more: -EINTR. */
    const volatile sig_atomic_t *stop;
};

/* peer stays the caller's. -ENOMEM. The descriptors are closed by fini. */
int xf_talk_init(struct xf_talk *t, int in, int out, const char *peer);
void xf_talk_fini(struct xf_talk *t);

/* Of a program that another host's shell has started (recover_reach.h): takes all up to its first
   line. */
int xf_talk_await_start(struct xf_talk *t, unsigned limit_ms, char why[XF_TALK_WHY_BYTES]);

/* A message of that kind, to be added to. */
struct json_object *xf_talk_message(const char *kind);
/* Takes the message, also if it fails. */
int xf_talk_send(struct xf_talk *t, struct json_object *message);
int xf_talk_send_bytes(struct xf_talk *t, const void *bytes, size_t n);
/* Without numbers or words of its own. */
int xf_talk_say(struct xf_talk *t, const char *kind);
int xf_talk_say_failed(struct xf_talk *t, const char *reason);

/*
 * The next message; if kind is not NULL, one of that kind, or it is an error. -ECANCELED: the peer
 * has failed, and why has its reason; -ETIMEDOUT; -EPIPE: the peer is gone. *message is the
 * caller's to put.
 */
int xf_talk_receive(struct xf_talk *t, const char *kind, unsigned limit_ms,
                    struct json_object **message, char why[XF_TALK_WHY_BYTES]);
/* The same of one that says nothing more. */
int xf_talk_hear(struct xf_talk *t, const char *kind, unsigned limit_ms,
                 char why[XF_TALK_WHY_BYTES]);
/* None of them stays behind. */
int xf_talk_receive_bytes(struct xf_talk *t, void *to, size_t n, unsigned limit_ms,
                          char why[XF_TALK_WHY_BYTES]);

/* Something has come, or the peer has gone. */
bool xf_talk_pending(const struct xf_talk *t);

/* Of a message: "" where there is no such text; 0 where there is no such number, or one that does
   not fit. */
const char *xf_talk_text(struct json_object *message, const char *key);
unsigned long long xf_talk_number(struct json_object *message, const char *key);
bool xf_talk_flag(struct json_object *message, const char *key);

#endif
