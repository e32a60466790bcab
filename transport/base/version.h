/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Version: the one place of xl-fast's number. `xl-fast --version` prints it and the package bears
 * it; what both ends of a migration compare is the protocol's number (transport/wire.h). */
#ifndef XF_TRANSPORT_BASE_VERSION_H
#define XF_TRANSPORT_BASE_VERSION_H

#define XF_VERSION "0.10.0"

#endif
