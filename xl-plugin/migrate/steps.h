/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps of `xl-fast migrate`, and what they share. One migration a process, one thread.
 *
 *   migrate.c   the steps, from top to bottom
 *   ask.c       asks both ends by xl-fast-preflight          answers.c reads what they say
 *   queue.c     waits for this host's port, and the target's
 *   record.c    what xl-fast status and cancel read
 *   move_events.c  what the plug-in writes, and who shows it
 *   move.c      runs the real xl, and cancels it
 *   listen.c    hears from xl when the guest was started: the downtime's end
 *   disks.c     --with-disks: xl-fast-disks before xl, and after it
 *   disks_plan.c   the same with --dry-run: what it would do
 *   clone.c     makes copies by these steps, instead of a move
 *   copies.c    of several copies at once: asks each host, and says what became of each
 *   outcome.c   where the guest is, after a failure
 *
 * Steps return one of enum xf_step; what they refuse for is in refused, one line.
 */
#ifndef XF_MIGRATE_STEPS_H
#define XF_MIGRATE_STEPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "answers.h"
#include "migrate_options.h"
#include "process.h"
#include "transport/member.h"
#include "xl-plugin/recover/recover_reach.h"

enum xf_step {
    XF_STEP_ON,        /* done: to the next one */
    XF_STEP_REFUSED,   /* by an end, with a line: plain xl migrate may still work */
    XF_STEP_FAILED,    /* it cannot be done; the line was printed */
    XF_STEP_CANCELLED, /* a signal is there */
};

/* Instead of a move: the guest goes on here, and its copy gets an identity of its own
   (xl-plugin/clone). The words of net and disks: clone_words.h. */
struct xf_copy {
    const char *host, *name, *uuid, *number, *net, *disks;
    bool paused, replace;
    bool has_disks; /* the guest's: they have to be there */
    /* The steps set these. */
    int status;    /* its exit status; XF_COPY_OPEN: not known yet */
    bool left_out; /* its host has refused it before anything was sent */
};
#define XF_COPY_OPEN (-1)

/* All that are made at once, of one pause of the guest, each on another host. */
struct xf_copies {
    struct xf_copy *of;
    unsigned n;
    bool all; /* or none */
    uint64_t
        min_bytes_per_s; /* a host that takes less, and holds up others, is left out; 0: none */
};

#define XF_ANSWER_BYTES (64u << 10)
#define XF_PATH_BYTES   512

/* An xl-fast-disks. */
struct xf_disks_child {
    pid_t pid;        /* 0: not started */
    int talk;         /* its stdin and stdout */
    char socket[108]; /* where the save helper asks it */
};

struct xf_migrate {
    struct xf_migrate_options o;
    const struct xf_copies *copies; /* NULL: it moves */
    const struct xf_copy *copy;     /* the one whose host is o.host just now; NULL: it moves */
    char hosts[XF_PATH_BYTES];      /* of all copies ... */
    char names[XF_PATH_BYTES];      /* ... and how they are called */
    struct xf_signals signals;
    enum xf_migrate_screen screen; /* the options', as far as it can be */

    char real[XF_PATH_BYTES]; /* the real xl */
    char clone[640];          /* xl-fast-clone, in its place; "": it moves */
    char lib[600];            /* the folder of what belongs together, here and at the target */
    char attempt[40];         /* this migration's name at both ends */

    /* What both ends have said, as text and in parts. */
    char source_text[XF_ANSWER_BYTES], target_text[XF_ANSWER_BYTES];
    char source_said[XF_ANSWER_BYTES], target_said[XF_ANSWER_BYTES];
    char noise[XF_REACH_NOISE_BYTES];
    struct xf_answers source, target;
    char refused[2 * 1024];
    bool stock_fails;    /* plain xl migrate would, too */
    char measured[1024]; /* by --measure: lines of xl-fast-preflight; "": nothing was */
    char late[600];      /* why the devices are attached late; "": early */

    int turn; /* this host's port's queue, while it is ours; -1 */

    char record[XF_PATH_BYTES]; /* "": none */
    int64_t since_s;            /* 1970: when it began */
    bool over;                  /* its last event is written, with this status */
    int status;
    char control[XF_PATH_BYTES]; /* the socket of xl-fast set, once there is one; "": no place */
    char events[XF_PATH_BYTES];  /* "": there is no place for them */
    bool own_events;             /* in no file of the user's: to be removed */
    uint64_t from;               /* where in that file this migration begins */
    dev_t events_dev;
    ino_t events_ino;
    char said[XF_PATH_BYTES];      /* what xl and both ends said; "": heard as ever */
    char untouched[XF_PATH_BYTES]; /* --fast=auto: is there until the guest is touched; "": none */
    pid_t follower;                /* the screen, or who copies events to stdout; 0: none */
    pid_t listener;                /* to what xl says; 0: none */
    int listener_stdin;            /* it ends when this is closed */

    struct xf_disks_child disks[XF_MEMBERS_MAX]; /* of each copy; of a move, the first */

    pid_t xl;            /* 0: not started */
    int cancelled;       /* the exit status that is asked for; 0: none */
    int64_t cancelled_s; /* when, by a clock that only goes on */
};

/* ---- migrate.c ---- */

/* The steps, from top to bottom, of a move or of copies. The exit status, of copies the worst. */
int xf_migrate_run(const struct xf_migrate_options *o, const struct xf_copies *copies);

/* One that nobody else has, by the kernel. 0 or -EIO. */
int xf_migrate_make_uuid(char to[40]);

/* ---- copies.c ---- */

/* What is said and asked is of all copies from then on, and their hosts; or of one. */
void xf_migrate_copies_aim(struct xf_migrate *m);
void xf_migrate_copies_aim_at(struct xf_migrate *m, unsigned i);

/* One that is not to be made: whether the others go on; then it is said why. */
bool xf_migrate_copies_leave_out(struct xf_migrate *m, unsigned i, const char *why);

/* Asks each host, and waits for its port. One that refuses is left out, if another is left, unless
   all are wanted. */
enum xf_step xf_migrate_copies_meet(struct xf_migrate *m);

/* xl-fast-clone has ended: what became of each, by its words, as events. Returns the worst. */
int xf_migrate_copies_take(struct xf_migrate *m, int status);

/* Of those that are not there: what their hosts are left with. */
void xf_migrate_copies_clear(struct xf_migrate *m);

/* ---- ask.c ---- */

enum xf_step xf_migrate_ask_source(struct xf_migrate *m);
enum xf_step xf_migrate_ask_target(struct xf_migrate *m);

/* From both answers: where the memory goes. */
void xf_migrate_say_whereto(const struct xf_migrate *m);

/* From both answers: whether the devices are attached early. */
enum xf_step xf_migrate_choose_hand_over(struct xf_migrate *m);

/* How fast the guest writes, which takes --measure's time. */
enum xf_step xf_migrate_measure(struct xf_migrate *m);

/* xl-fast-domain's word of the guest here; notes how it was left. "": it says none. */
void xf_migrate_ask_left(struct xf_migrate *m, char *left, size_t size);

/* Lets a guest that was left suspended here go on, by xl-fast-domain. It is the caller's to know
   that no other host has it. */
void xf_migrate_resume(struct xf_migrate *m);

/* After a copy that has failed, and was told so: destroys what its killed receiver has left at the
   target, if that has never run. */
void xf_migrate_clear_copy(struct xf_migrate *m);

/* ---- queue.c ---- */

/* Until no other migration has this host's port. */
enum xf_step xf_migrate_queue_here(struct xf_migrate *m);

/* It is the next one's. */
void xf_migrate_queue_leave(struct xf_migrate *m);

/* Until no other has the target's, after a first question there. */
enum xf_step xf_migrate_queue_there(struct xf_migrate *m);

/* ---- record.c ---- */

/* Nothing depends on it: what cannot be written is said, and that is all. */
void xf_migrate_record_begin(struct xf_migrate *m);

/* One that is over goes into the history and the system's log. state: of the guest, see moving.h */
void xf_migrate_record_end(struct xf_migrate *m, const char *state);

/* For the system's log: xl is about to be run. */
void xf_migrate_record_move(const struct xf_migrate *m);

/* Whether there is room for a migration's events; nothing is left of the look. */
bool xf_migrate_record_has_room(void);

/* ---- move_events.c ---- */

/* The file of the events, and who shows them. */
enum xf_step xf_migrate_events_begin(struct xf_migrate *m);
/* Before it is begun anew. */
void xf_migrate_events_stop(struct xf_migrate *m);
/* The last event; whoever shows them has ended then. */
void xf_migrate_events_end(struct xf_migrate *m, int status);

/* The lines of the events so far: calls take until it returns true, which is returned then. */
bool xf_migrate_events_each(const struct xf_migrate *m, bool (*take)(void *arg, const char *line),
                            void *arg);
bool xf_migrate_events_began(const struct xf_migrate *m); /* the memory, to move */
bool xf_migrate_events_guest_ended(const struct xf_migrate *m);

/* What became of a copy, as an event. */
void xf_migrate_events_copy(const struct xf_migrate *m, const struct xf_copy *copy);

/* A wait for a port, as an event: port_of is "source" or "target". */
void xf_migrate_events_wait(struct xf_migrate *m, const char *port_of);

bool xf_migrate_can_write(const char *path);

/* ---- move.c ---- */

/* Runs the real xl to its end. Its exit status, or that of a cancellation. */
int xf_migrate_move(struct xf_migrate *m);

/* Plain xl migrate, in this process's place. Returns only if that cannot be: an exit status. */
int xf_migrate_move_plain(struct xf_migrate *m);

/* ---- listen.c ---- */

/* Before xl, and after it. If the guest has moved, it waits for the first frames of its network
   interfaces at the target, for about 30 s; a signal ends the wait. */
void xf_migrate_listen_begin(struct xf_migrate *m);
void xf_migrate_listen_end(struct xf_migrate *m, bool moved);
/* The downtime and its parts, for who has no screen. */
void xf_migrate_listen_say(const struct xf_migrate *m);

/* ---- disks.c ---- */

/* Copies the disks while the guest runs, until little is written, to one host after the other; a
   copy whose disks fail is left out, as in xf_migrate_copies_meet(). Takes its time, and nothing if
   --with-disks is not given. What xl-fast-disks does from then on: xl-plugin/disks/live.h. */
enum xf_step xf_migrate_disks_begin(struct xf_migrate *m);

/* For --dry-run: what it would find, at both ends. *plan is filled, also where it is refused, and
   its disks are to be freed. */
struct xf_disks_asked;
enum xf_step xf_migrate_disks_plan(struct xf_migrate *m, struct xf_disks_asked *plan);

/* For the save helper: XL_FAST_DISKS; to be freed; NULL without memory, "" without disks. */
char *xf_migrate_disks_sockets(const struct xf_migrate *m);

/* Where the guest is: it has moved, it stays, or that is not known; each copy's status says so of
   it. 0, or an exit status. */
enum xf_disks_outcome { XF_DISKS_MOVED, XF_DISKS_STAYS, XF_DISKS_UNKNOWN };
int xf_migrate_disks_end(struct xf_migrate *m, enum xf_disks_outcome outcome);

/* ---- real.c ---- */

/* The real xl. 0 or -ENOENT. */
int xf_real_find(const char *lib, char *to, size_t size);

/* What is not an error: not with --quiet. */
#define XF_NOTE(m, ...)                                                                            \
    do {                                                                                           \
        if ((m)->o.screen != XF_SCREEN_QUIET)                                                      \
            xf_migrate_say(__VA_ARGS__);                                                           \
    } while (0)

#endif
