/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bench, far: the target of `xl-fast bench link`, one run long, from the order on. It ends when the
 * other end leaves the talk. Returns the process's exit status; what failed, the other end says.
 */
#ifndef XF_BENCH_BENCH_FAR_H
#define XF_BENCH_BENCH_FAR_H

/* in, out: to read from and to write to the other end. Takes the process's stdout. */
int xf_bench_far_main(int in, int out);

#endif
