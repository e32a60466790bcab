/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* flood INTERFACE N US: N small broadcasts of nobody's protocol every US microseconds, until it or
   its parent ends. */
#include <linux/if_packet.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    unsigned char frame[60] = {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};
    int fd = socket(AF_PACKET, SOCK_RAW, 0);
    struct sockaddr_ll to = {.sll_family = AF_PACKET};

    if (argc == 4)
        to.sll_ifindex = (int)if_nametoindex(argv[1]);
    if (!to.sll_ifindex || fd < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL)) {
        perror("flood");
        return 1;
    }
    for (;;) {
        for (int n = atoi(argv[2]); n; n--)
            if (sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to)) < 0) {
                perror("flood");
                return 1;
            }
        usleep((useconds_t)atoi(argv[3]));
    }
}
