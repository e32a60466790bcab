/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * arrival-guest DOMID MAC IP FOLDER ANNOUNCE: xl-plugin/arrival with a guest that is made of files,
 * in whatever network namespace it runs. The guest is there while FOLDER/guest is, and runs while
 * FOLDER/runs is. Its vif 0 has that MAC and, unless it is "", that IP; while FOLDER/two is there
 * it has a vif 1, too, with the next MAC. The receiver has ended when stdin has. What is told goes
 * to stdout.
 */
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xl-plugin/arrival/arrival.h"

struct guest {
    int domid;
    const char *mac, *ip, *folder;
};

/* Instead of libc's. To be asked for an interface that is not there is a fault: the kernel would
   look for a module, four times a second. */
unsigned if_nametoindex(const char *name)
{
    char path[128];
    unsigned index = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/sys/class/net/%s/ifindex", name);
    f = fopen(path, "r");
    if (!f || fscanf(f, "%u", &index) != 1) {
        fprintf(stderr, "arrival-guest: the kernel was asked for %s, which is not there\n", name);
        abort();
    }
    fclose(f);
    return index;
}

static bool has(const struct guest *g, const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", g->folder, name);
    return !access(path, F_OK);
}

static int find(void *arg)
{
    const struct guest *g = arg;

    return has(g, "guest") ? g->domid : -1;
}

static enum xf_guest_state look(void *arg, int domid)
{
    const struct guest *g = arg;

    (void)domid;
    return !has(g, "guest") ? XF_GUEST_GONE : has(g, "runs") ? XF_GUEST_RUNS : XF_GUEST_WAITS;
}

static unsigned nics(void *arg, int domid, struct xf_nic to[XF_NICS_MAX])
{
    const struct guest *g = arg;

    (void)domid;
    to[0] = (struct xf_nic){.devid = 0};
    snprintf(to[0].ip, sizeof(to[0].ip), "%s", g->ip);
    if (!xf_mac_read(to[0].mac, g->mac))
        return 0;
    to[1] = (struct xf_nic){.devid = 1};
    memcpy(to[1].mac, to[0].mac, sizeof(to[1].mac));
    to[1].mac[XF_MAC_BYTES - 1]++;
    return has(g, "two") ? 2 : 1;
}

static void tell(void *arg, const char *line)
{
    (void)arg;
    puts(line);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const struct xf_arrival_guest guest = {.find = find, .look = look, .nics = nics};
    struct guest g;
    struct xf_arrival a = {.guest = &guest, .tell = tell, .arg = &g, .receiver = STDIN_FILENO};

    if (argc != 6)
        return 2;
    g = (struct guest){.domid = atoi(argv[1]), .mac = argv[2], .ip = argv[3], .folder = argv[4]};
    a.announce = atoi(argv[5]);
    return xf_arrival_run(&a) ? 1 : 0;
}
