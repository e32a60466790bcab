/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* recover: a look as JSON, there and back and spoilt; a look as evidence; the records of both ends;
   the processes of a /proc made for it. */
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/common/unit.h"

#include "xl-plugin/recover/recover_actors.h"
#include "xl-plugin/recover/recover_record.h"

#define GUEST   "6f1c9a52-0001-4000-8000-0123456789ab"
#define OTHER   "6f1c9a52-0002-4000-8000-0123456789ab"
#define ATTEMPT "6f1c9a52-0003-4000-8000-0123456789ab"
#define BOOT    "6f1c9a52-0004-4000-8000-0123456789ab"

static void add(struct xf_look *l, const char *name, const char *uuid, enum xf_recover_state state,
                uint64_t cpu_time_ns)
{
    struct xf_look_domain *d = &l->domains[l->domains_n++];

    d->domid = 4 + l->domains_n;
    snprintf(d->name, sizeof(d->name), "%s", name);
    snprintf(d->uuid, sizeof(d->uuid), "%s", uuid);
    d->state = state;
    d->cpu_time_ns = cpu_time_ns;
}

static void add_receiver(struct xf_look *l, const char *uuid)
{
    struct xf_look_process *p = &l->processes[l->processes_n++];

    p->pid = 100 + l->processes_n;
    p->receives = true;
    snprintf(p->uuid, sizeof(p->uuid), "%s", uuid);
}

static struct xf_look nothing(void)
{
    return (struct xf_look){.host = "host", .boot_id = BOOT};
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void test_there_and_back(void **state)
{
    struct xf_look a = nothing(), b;
    char err[128], *text;

    (void)state;
    add(&a, "web \"1\"--incoming", GUEST, XF_STATE_PAUSED, 0);
    add(&a, "", OTHER, XF_STATE_DYING, 123456789012345);
    add_receiver(&a, GUEST);
    add_receiver(&a, "");
    a.record.outcome = XF_RECORD_GIVEN_BACK;
    a.record.domid = 5;
    strcpy(a.record.attempt, ATTEMPT);
    strcpy(a.left.attempt, ATTEMPT);
    a.left.domid = 7;
    a.left.cpu_time_ns = 987654321;
    text = xf_look_print(&a);
    assert_non_null(text);
    assert_int_equal(xf_look_parse(text, strlen(text), &b, err), 0);
    assert_int_equal(memcmp(&a, &b, sizeof(a)), 0);

    /* Cut anywhere it is refused. */
    for (size_t n = 0; n < strlen(text); n++)
        assert_int_equal(xf_look_parse(text, n, &b, err), -EPROTO);
    free(text);
}

/* A guest that libvirt manages; the note of xl's is proof only while the guest has not run since.
 */
static void test_libvirt(void **state)
{
    struct xf_look source = nothing(), target = nothing(), again;
    struct xf_recover_evidence e;
    char err[128] = "", *text;

    (void)state;
    add(&source, "web1", GUEST, XF_STATE_SUSPENDED, 5);
    xf_look_reduce("web1", &source, &target, &e);
    assert_false(e.source.maybe_libvirt);
    source.domains[0].libvirt = true;
    text = xf_look_print(&source);
    assert_int_equal(xf_look_parse(text, strlen(text), &again, err), 0);
    assert_true(again.domains[0].libvirt);
    free(text);
    xf_look_reduce("web1", &source, &target, &e);
    assert_true(e.source.maybe_libvirt);
    strcpy(source.left.attempt, GUEST);
    source.left.domid = source.domains[0].domid;
    source.left.cpu_time_ns = source.domains[0].cpu_time_ns;
    xf_look_reduce("web1", &source, &target, &e);
    assert_false(e.source.maybe_libvirt);
    source.left.cpu_time_ns--;
    xf_look_reduce("web1", &source, &target, &e);
    assert_true(e.source.maybe_libvirt);
}

/* Whatever Xen takes. */
static void test_names(void **state)
{
    static const char *const names[] = {
        "m\xc3\xbcnchen", "m\xfcnchen", "dev's pc", "a\"b\\c/", "-x", "\033[2J", "a\nb\t", " "};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct xf_look a = nothing(), b;
        char err[128] = "", *text;

        add(&a, names[i], GUEST, XF_STATE_PAUSED, 5);
        text = xf_look_print(&a);
        assert_null(strchr(text, '\n'));
        assert_int_equal(xf_look_parse(text, strlen(text), &b, err), 0);
        assert_string_equal(b.domains[0].name, names[i]);
        free(text);
    }
}

/* A good look in which one text is another. */
static void refused(const char *from, const char *to, const char *word)
{
    struct xf_look a = nothing(), b;
    char err[128] = "", *text, spoilt[8192];

    add(&a, "web1", GUEST, XF_STATE_PAUSED, 5);
    add_receiver(&a, GUEST);
    text = xf_look_print(&a);
    char *at = strstr(text, from);
    assert_non_null(at);
    snprintf(spoilt, sizeof(spoilt), "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    free(text);
    assert_int_equal(xf_look_parse(spoilt, strlen(spoilt), &b, err), -EPROTO);
    if (!strstr(err, word))
        fail_msg("'%s' does not name '%s'", err, word);
}

static void test_refused(void **state)
{
    char many[6000] = "\"domains\":[", longer[400];

    (void)state;
    refused("\"version\":1", "\"version\":2", "version");
    refused("\"version\":1", "\"version\":\"1\"", "version");
    refused(GUEST, "6F1C9A52-0001-4000-8000-0123456789AB", "uuid");
    refused(GUEST, "6f1c9a52-0001-4000-8000-0123456789", "uuid");
    refused(BOOT, "here", "boot_id");
    refused("\"domid\":5", "\"domid\":-1", "domid");
    refused("\"domid\":5", "\"domid\":4294967296", "domid");
    refused("\"domid\":5", "\"domid\":true", "domid");
    refused("\"cpu_time_ns\":5", "\"cpu_time_ns\":99999999999999999999", "cpu_time_ns");
    refused("\"cpu_time_ns\":5", "\"cpu_time\":5", "cpu_time_ns");
    refused("\"paused\"", "\"asleep\"", "state");
    refused("\"receives\"", "\"waits\"", "does");
    refused(BOOT, "6f1c9a52-0001-4000-8000\\u001b[2J", "boot_id");
    refused("web1", "web\\u00001", "name");
    refused("[{", "[5,{", "list");
    refused("\"domains\":[{", "\"domains\":{\"a\":{", "answer");
    for (unsigned i = 0; i <= XF_LOOK_DOMAINS; i++)
        strcat(many, "{},");
    strcat(many, "{");
    refused("\"domains\":[{", many, "domains");
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = 0;
    refused("web1", longer, "name");
}

/* ---- evidence ------------------------------------------------------------------------------ */

static void test_evidence(void **state)
{
    struct xf_look here = nothing(), there = nothing();
    struct xf_recover_evidence e;

    (void)state;
    add(&here, "web1--migratedaway", GUEST, XF_STATE_SUSPENDED, 5);
    add(&there, "web1--incoming", GUEST, XF_STATE_PAUSED, 0);
    xf_look_reduce("web1", &here, &there, &e);
    assert_int_equal(e.source.place, XF_PLACE_AWAY);
    assert_int_equal(e.source.state, XF_STATE_SUSPENDED);
    assert_false(e.source.busy);
    assert_true(e.target.answers);
    assert_int_equal(e.target.place, XF_PLACE_INCOMING);
    assert_int_equal(e.target.state, XF_STATE_PAUSED);
    assert_false(e.target.ran);
    assert_int_equal(e.target.receiver, XF_RECEIVER_NONE);

    here.processes[here.processes_n++] = (struct xf_look_process){.pid = 1};
    there.domains[0].cpu_time_ns = 1;
    strcpy(there.domains[0].name, "web1");
    xf_look_reduce("web1", &here, &there, &e);
    assert_true(e.source.busy);
    assert_true(e.target.ran);
    assert_int_equal(e.target.place, XF_PLACE_NAME);

    /* It was destroyed, and what mapped it has not ended: nothing is known by its name. */
    there.domains[0] = (struct xf_look_domain){.domid = 7, .state = XF_STATE_DYING};
    strcpy(there.domains[0].uuid, GUEST);
    xf_look_reduce("web1", &here, &there, &e);
    assert_int_equal(e.target.place, XF_PLACE_INCOMING);
    assert_int_equal(e.target.state, XF_STATE_DYING);
    here.processes_n = 0;
    xf_look_reduce("web1", &here, &there, &e);
    assert_int_equal(xf_recover_decide(&e).verdict, XF_VERDICT_IN_PROGRESS);
    here.processes_n = 1;

    xf_look_reduce("web1", &here, NULL, &e);
    assert_false(e.target.answers);
    add(&here, "web1", OTHER, XF_STATE_RUNNING, 5);
    xf_look_reduce("web1", &here, &there, &e);
    assert_int_equal(e.source.place, XF_PLACE_UNCLEAR);
}

static void test_receivers(void **state)
{
    struct xf_look here = nothing(), there = nothing();
    struct xf_recover_evidence e;

    (void)state;
    add(&here, "web1", GUEST, XF_STATE_RUNNING, 5);
    add_receiver(&there, OTHER);
    xf_look_reduce("web1", &here, &there, &e);
    assert_int_equal(e.target.receiver, XF_RECEIVER_NONE);
    add_receiver(&there, "");
    xf_look_reduce("web1", &here, &there, &e);
    assert_int_equal(e.target.receiver, XF_RECEIVER_UNKNOWN);
    add_receiver(&there, GUEST);
    xf_look_reduce("web1", &here, &there, &e);
    assert_int_equal(e.target.receiver, XF_RECEIVER_OURS);
    here.domains_n = 0; /* then nothing says which guest is meant */
    xf_look_reduce("web1", &here, &there, &e);
    assert_int_equal(e.target.receiver, XF_RECEIVER_UNKNOWN);
}

/* One name, two guests; and one guest with another UUID there, by xl migrate -C. */
static void test_namesakes(void **state)
{
    struct xf_look here = nothing(), there = nothing();
    struct xf_recover_evidence e;

    (void)state;
    add(&here, "web1", GUEST, XF_STATE_RUNNING, 5);
    add(&there, "web1", OTHER, XF_STATE_RUNNING, 5);
    xf_look_reduce("web1", &here, &there, &e);
    assert_int_equal(e.target.place, XF_PLACE_NONE);
    here.domains[0].state = XF_STATE_SUSPENDED;
    xf_look_reduce("web1", &here, &there, &e);
    assert_int_equal(e.target.place, XF_PLACE_UNCLEAR);
    add(&there, "web1--incoming", GUEST, XF_STATE_PAUSED, 0);
    xf_look_reduce("web1", &here, &there, &e);
    assert_int_equal(e.target.place, XF_PLACE_INCOMING);
    add(&there, "web2", GUEST, XF_STATE_PAUSED, 0);
    xf_look_reduce("web1", &here, &there, &e);
    assert_int_equal(e.target.place, XF_PLACE_UNCLEAR);
    assert_int_equal(xf_look_place("web1", "web12"), XF_PLACE_UNCLEAR);
    assert_int_equal(xf_look_place("web1", "web"), XF_PLACE_UNCLEAR);
}

/* The record counts only for its attempt, and only while the guest has not run again. */
static void test_record_counts(void **state)
{
    struct xf_look here = nothing(), there = nothing(), other;
    struct xf_recover_evidence e;

    (void)state;
    add(&here, "web1--migratedaway", GUEST, XF_STATE_SUSPENDED, 5);
    strcpy(here.left.attempt, ATTEMPT);
    here.left.domid = here.domains[0].domid;
    here.left.cpu_time_ns = 5;
    strcpy(there.record.attempt, ATTEMPT);
    there.record.outcome = XF_RECORD_GIVEN_BACK;
    xf_look_reduce("web1", &here, &there, &e);
    assert_int_equal(e.target.record, XF_RECORD_GIVEN_BACK);
    assert_false(e.target.received);

    /* The domain that was restored into, and another one; a number that is the source's says
     * nothing. */
    other = there;
    add(&other, "web1", GUEST, XF_STATE_PAUSED, 0);
    other.domains[0].domid = other.record.domid = 9;
    xf_look_reduce("web1", &here, &other, &e);
    assert_true(e.target.received);
    other.domains[0].domid = 10;
    xf_look_reduce("web1", &here, &other, &e);
    assert_false(e.target.received);
    other.domains[0].domid = other.record.domid = here.domains[0].domid;
    xf_look_reduce("web1", &here, &other, &e);
    assert_false(e.target.received);

    other = here;
    other.left.cpu_time_ns = 4;
    xf_look_reduce("web1", &other, &there, &e);
    assert_int_equal(e.target.record, XF_RECORD_NONE);
    other = here;
    other.left.domid++;
    xf_look_reduce("web1", &other, &there, &e);
    assert_int_equal(e.target.record, XF_RECORD_NONE);
    other = there;
    strcpy(other.record.attempt, OTHER);
    xf_look_reduce("web1", &here, &other, &e);
    assert_int_equal(e.target.record, XF_RECORD_NONE);
    here.left.attempt[0] = there.record.attempt[0] = 0;
    xf_look_reduce("web1", &here, &there, &e);
    assert_int_equal(e.target.record, XF_RECORD_NONE);
}

/* ---- files --------------------------------------------------------------------------------- */

static char dir[64];

static void put(const char *path, const char *text, size_t bytes)
{
    char whole[1024];
    FILE *f;

    snprintf(whole, sizeof(whole), "%s/%s", dir, path);
    f = fopen(whole, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, bytes, f), bytes);
    assert_int_equal(fclose(f), 0);
}

static void sub(const char *path)
{
    char whole[1024];

    snprintf(whole, sizeof(whole), "%s/%s", dir, path);
    assert_int_equal(mkdir(whole, 0700), 0);
}

static void begin_dir(void)
{
    strcpy(dir, "/tmp/test_recover.XXXXXX");
    assert_non_null(mkdtemp(dir));
}

static void end_dir(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

static void record_is(const char *text, const char *attempt, enum xf_recover_record outcome)
{
    struct xf_look l = nothing();

    put("xl-fast/receive-" GUEST, text, strlen(text));
    xf_record_read(GUEST, &l);
    assert_string_equal(l.record.attempt, attempt);
    assert_int_equal(l.record.outcome, outcome);
    assert_int_equal(l.record.domid, strstr(text, "domid 12") ? 12 : 0);
    assert_string_equal(l.left.attempt, "");
}

#define GO   "migration target: Got permission, starting domain.\n"
#define BACK "migration target: Cleanup OK, granting sender permission to resume.\n"

static void test_records(void **state)
{
    struct xf_look a = nothing(), b = nothing();

    (void)state;
    begin_dir();
    setenv("XL_FAST_RUNDIR", dir, 1);
    xf_record_read(GUEST, &a);
    assert_string_equal(a.record.attempt, "");

    strcpy(a.left.attempt, ATTEMPT);
    a.left.domid = 12;
    a.left.cpu_time_ns = 12345678901234;
    assert_int_equal(xf_record_write_left(GUEST, &a), 0);
    xf_record_read(GUEST, &b);
    assert_int_equal(memcmp(&a.left, &b.left, sizeof(a.left)), 0);
    assert_int_equal(xf_record_write_left(GUEST, &(struct xf_look){0}), 0);
    assert_int_equal(xf_record_write_left(GUEST, &(struct xf_look){0}), 0);

    record_is("attempt " ATTEMPT "\nhello\n", ATTEMPT, XF_RECORD_NONE);
    record_is("attempt " ATTEMPT "\n" GO, ATTEMPT, XF_RECORD_HAD_GO);
    record_is("attempt " ATTEMPT "\nxl-fast: domid 12\n" GO BACK, ATTEMPT, XF_RECORD_GIVEN_BACK);
    record_is("attempt " ATTEMPT "\nxc: 10%\rxc: 20%\r" BACK, ATTEMPT, XF_RECORD_GIVEN_BACK);
    record_is("attempt " ATTEMPT "\nhe said: " BACK, ATTEMPT, XF_RECORD_NONE);
    record_is("attempt " ATTEMPT "\nmigration target: Cleanup OK, granting sender permission to "
              "resume.", /* cut short */
              ATTEMPT, XF_RECORD_NONE);
    record_is(BACK, "", XF_RECORD_NONE);
    record_is("attempt no\n" BACK, "", XF_RECORD_NONE);
    record_is("", "", XF_RECORD_NONE);
    unsetenv("XL_FAST_RUNDIR");
    end_dir();
}

#define WORDS(pid, name, text) put(#pid "/" name, text, sizeof(text))

static void process(const char *pid, const char *program, const char *stdin_is)
{
    char path[512], target[256];

    sub(pid);
    snprintf(path, sizeof(path), "%s/fd", pid);
    sub(path);
    snprintf(path, sizeof(path), "%s/%s/exe", dir, pid);
    snprintf(target, sizeof(target), "/usr/lib/xen-4.17/bin/%s", program);
    assert_int_equal(symlink(target, path), 0);
    snprintf(path, sizeof(path), "%s/%s/fd/0", dir, pid);
    assert_int_equal(symlink(stdin_is, path), 0);
}

static void test_processes(void **state)
{
    struct xf_look l = nothing();

    (void)state;
    begin_dir();
    add(&l, "web1--migratedaway", GUEST, XF_STATE_SUSPENDED, 5); /* domain 5 */

    process("10", "xl (deleted)", "pipe:[1]");
    WORDS(10, "cmdline", "xl\0-v\0migrate\0web1\0hostb env A=1");
    process("11", "xl", "pipe:[1]"); /* another guest's */
    WORDS(11, "cmdline", "xl\0migrate\0web11\0hostb");
    process("12", "xl", "/dev/tty");
    WORDS(12, "cmdline", "xl\0save\0-c\0005\0file");
    process("13", "xl", "/dev/tty");
    WORDS(13, "cmdline", "xl\0list\0web1");
    process("14", "libxl-save-helper", "pipe:[1]");
    WORDS(14, "cmdline", "libxl-save-helper\0--save-domain\0009\0-1\0005\0001");
    process("15", "dash", "pipe:[1]"); /* the shim */
    WORDS(15, "cmdline", "/bin/sh\0/usr/local/sbin/xl\0migrate\0--fast\0web1\0hostb");

    process("20", "xl", "pipe:[1]");
    WORDS(20, "cmdline", "xl\0migrate-receive\0-p");
    WORDS(20, "environ", "A=1\0XL_FAST_DOMAIN=" GUEST "\0B=2");
    process("21", "xl", "/dev/null"); /* stays with a guest that has arrived */
    WORDS(21, "cmdline", "xl\0migrate-receive");
    WORDS(21, "environ", "XL_FAST_DOMAIN=" GUEST);
    process("22", "xl", "socket:[1]");
    WORDS(22, "cmdline", "xl\0migrate-receive");
    WORDS(22, "environ", "XL_FAST_DOMAIN=nonsense");
    process("23", "libxl-save-helper", "pipe:[1]");
    WORDS(23, "cmdline", "libxl-save-helper\0--restore-domain\0000");
    WORDS(23, "environ", "XL_FAST_DOMAIN=" GUEST);
    process("24", "libxl-save-helper", "pipe:[1]"); /* xl restore */
    WORDS(24, "cmdline", "libxl-save-helper\0--restore-domain\0000");
    WORDS(24, "environ", "A=1");
    process("25", "libxl-save-helper", "pipe:[1]"); /* they give memory back */
    WORDS(25, "cmdline", "libxl-save-helper\0--save-domain\0009\0-1\0005\0001");
    put("25/comm", "xl-fast-linger\n", 15);
    process("27", "xl-fast-pump", "pipe:[1]"); /* one of them gives memory back, too */
    WORDS(27, "cmdline", "xl-fast-pump\0xl\0migrate-receive");
    WORDS(27, "environ", "XL_FAST=early\0XL_FAST_DOMAIN=" GUEST);
    process("28", "xl-fast-pump", "pipe:[1]");
    WORDS(28, "cmdline", "xl-fast-pump\0xl\0migrate-receive");
    put("28/comm", "xl-fast-linger\n", 15);
    process("26", "libxl-save-helper", "pipe:[1]");
    WORDS(26, "cmdline", "libxl-save-helper\0--restore-domain\0000");
    WORDS(26, "environ", "XL_FAST_DOMAIN=" GUEST);
    put("26/comm", "xl-fast-linger\n", 15);
    put("14/comm", "libxl-save-help\n", 16);
    sub("30"); /* a kernel thread */
    sub("sys");

    assert_int_equal(xf_actors_find(dir, "web1", &l), 0);
    const struct {
        uint32_t pid;
        bool receives;
        const char *uuid;
    } expected[] = {{10, false, ""}, {12, false, ""},   {14, false, ""},  {20, true, GUEST},
                    {22, true, ""},  {23, true, GUEST}, {27, true, GUEST}};
    unsigned n = sizeof(expected) / sizeof(expected[0]);

    assert_int_equal(l.processes_n, n);
    for (unsigned i = 0; i < n; i++) {
        bool found = false;

        for (unsigned j = 0; j < n; j++)
            found |= l.processes[j].pid == expected[i].pid &&
                     l.processes[j].receives == expected[i].receives &&
                     !strcmp(l.processes[j].uuid, expected[i].uuid);
        if (!found)
            fail_msg("process %u is not seen as it is", expected[i].pid);
    }
    end_dir();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_names),
        cmocka_unit_test(test_libvirt),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_evidence),       cmocka_unit_test(test_receivers),
        cmocka_unit_test(test_namesakes),      cmocka_unit_test(test_record_counts),
        cmocka_unit_test(test_records),        cmocka_unit_test(test_processes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
